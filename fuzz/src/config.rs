//! `agent.toml`, as whoever writes to /etc wrote it.

const FULL: &str = r#"server = "https://ops.example.org:7700"
ca_file = "/etc/ssl/ops.pem"
interval = "30s"
system = "shop"
cluster = "web"
role = "front"
name = "web-1"
[tags]
rack = "r1"
[collectors]
pressure = false
cpu = true
[spool]
max_bytes = "1MiB"
max_age = "1h"
[packs]
dir = "/etc/oc-agent/packs"
[publish]
enabled = true
"#;

pub fn seeds() -> Vec<Vec<u8>> {
    let lines = FULL.lines().filter(|line| line.contains('='));
    let mut seeds: Vec<Vec<u8>> = lines.map(|line| line.as_bytes().to_vec()).collect();
    seeds.push(FULL.as_bytes().to_vec());
    seeds.extend(["http://[::1]:80", "5KiB", "1h"].map(|text| text.as_bytes().to_vec()));
    seeds
}

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match agent::config::parse(text) {
        Ok(config) => {
            let suggested = config.suggested();
            assert!(suggested.is_none_or(|s| s.tags.len() <= bytes.len()));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.is_empty()));
        }
    }
    if let Ok(url) = agent::url::ServerUrl::parse(text) {
        assert_eq!(agent::url::ServerUrl::parse(&url.to_string()), Ok(url));
    }
}
