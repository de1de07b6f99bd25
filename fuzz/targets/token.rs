#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::token::seeds),
    |bytes: &[u8]| fuzz::token::run(bytes)
);
