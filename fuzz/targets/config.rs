#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::config::seeds),
    |bytes: &[u8]| fuzz::config::run(bytes)
);
