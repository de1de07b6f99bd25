#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::chunk::seeds),
    |bytes: &[u8]| fuzz::chunk::run(bytes)
);
