//! The filter language, as people type it and links carry it.

use domain::filter::Filter;

pub fn seeds() -> Vec<Vec<u8>> {
    [
        "cluster:app-eu status:critical,warning tag:tier=edge cpu>80 disk.free<10GiB seen>5m",
        "kind:tomcat role:worker -system:shop host:vm* version<2.4 !word \"free \\\" text\"",
        "cluster:!a,\"b c\",\"\" liveness:no_data tag:\"a=b\"=c,d net.in>=8Mbit/s clock!=-40ms",
    ]
    .iter()
    .flat_map(|text| text.split_whitespace().chain([*text]))
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.parse::<Filter>() {
        Ok(filter) => {
            let written = filter.to_string();
            // Quotes and escapes make it longer than what was typed, and a limit may then refuse it.
            if written.chars().count() <= domain::filter::CHARS_MAX {
                assert_eq!(written.parse::<Filter>(), Ok(filter));
            }
        }
        Err(error) => {
            assert!(text.get(error.start..error.end).is_some(), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
}
