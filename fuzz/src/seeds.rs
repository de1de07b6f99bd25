//! The inputs a search begins with: golden messages as they are stored, and what the crates themselves write.
//!
//! Nothing is kept twice: each program writes its seeds when it starts.

use std::path::{Path, PathBuf};

/// Where the seeds of one target are to be written; set by `cargo xtask fuzz`.
const FOLDER_VARIABLE: &str = "OPSCENTER_FUZZ_SEEDS";

/// Writes the seeds into the folder that is asked for, if one is.
pub fn write(make: fn() -> Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).expect("the folder of seeds can be made");
    for (at, bytes) in make().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{at:02}")), bytes).expect("a seed can be written");
    }
}

/// The golden messages, with their authentication code where they have one.
pub fn golden() -> Vec<(String, Vec<u8>, Option<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden/v1");
    let mut messages: Vec<_> = std::fs::read_dir(&folder)
        .expect("the golden messages are there")
        .map(|entry| {
            let path = entry.expect("a golden message").path();
            let text = std::fs::read_to_string(&path).expect("a golden message is text");
            let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            let hex = json["hex"].as_str().expect("it has bytes");
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes());
            let name = path.file_stem().expect("a name").to_string_lossy();
            (
                name.into_owned(),
                bytes.expect("its bytes are hex"),
                json["oc-auth"].as_str().map(str::to_owned),
            )
        })
        .collect();
    messages.sort();
    messages
}

/// The bytes of the golden messages whose names begin so.
pub fn golden_bytes(prefix: &str) -> impl Iterator<Item = Vec<u8>> {
    golden()
        .into_iter()
        .filter(move |(name, ..)| name.starts_with(prefix))
        .map(|(_, bytes, _)| bytes)
}
