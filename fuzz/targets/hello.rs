#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::hello::seeds),
    |bytes: &[u8]| fuzz::hello::run(bytes)
);
