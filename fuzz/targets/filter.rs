#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::seeds::write(fuzz::filter::seeds),
    |bytes: &[u8]| fuzz::filter::run(bytes)
);
