#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::report::seeds),
    |bytes: &[u8]| fuzz::report::run(bytes)
);
