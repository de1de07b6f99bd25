#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::spool::seeds),
    |bytes: &[u8]| fuzz::spool::run(bytes)
);
