//! Compressed neighbours of a file, so that the server never compresses an asset itself.

use std::io::Write as _;

use anyhow::Context as _;

/// Below this, a compressed copy saves less than a packet.
const BYTES_MIN: usize = 1024;

/// Formats that are not compressed already.
const EXTENSIONS: &[&str] = &[
    "css",
    "html",
    "ico",
    "js",
    "json",
    "map",
    "svg",
    "txt",
    "wasm",
    "webmanifest",
    "xml",
];

#[derive(Clone, Copy)]
pub enum Effort {
    /// While developing: a second start must be quick.
    Quick,
    /// For releases: once slow, then small for every visitor.
    Best,
}

impl Effort {
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Best => "best",
        }
    }

    fn brotli_quality(self) -> i32 {
        match self {
            Self::Quick => 5,
            Self::Best => 11,
        }
    }

    fn gzip_level(self) -> flate2::Compression {
        match self {
            Self::Quick => flate2::Compression::new(1),
            Self::Best => flate2::Compression::best(),
        }
    }
}

/// The suffixes and contents of a file's compressed neighbours; none for small files and for
/// formats that are compressed already.
pub fn neighbours(
    path: &str,
    bytes: &[u8],
    effort: Effort,
) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    if bytes.len() <= BYTES_MIN || !EXTENSIONS.contains(&extension) {
        return Ok(Vec::new());
    }
    let brotli = brotli(bytes, effort).with_context(|| format!("cannot compress {path}"))?;
    let gzip = gzip(bytes, effort).with_context(|| format!("cannot compress {path}"))?;
    Ok(vec![(".br", brotli), (".gz", gzip)])
}

fn brotli(bytes: &[u8], effort: Effort) -> std::io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    {
        let params = brotli::enc::BrotliEncoderParams {
            quality: effort.brotli_quality(),
            lgwin: 22,
            size_hint: bytes.len(),
            ..Default::default()
        };
        let mut writer = brotli::CompressorWriter::with_params(&mut compressed, 1 << 16, &params);
        writer.write_all(bytes)?;
        writer.flush()?;
    }
    Ok(compressed)
}

fn gzip(bytes: &[u8], effort: Effort) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), effort.gzip_level());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn both_forms_give_the_file_back() {
        let bytes = "operations ".repeat(500).into_bytes();
        let made = neighbours("assets/app.js", &bytes, Effort::Best).unwrap();
        assert_eq!(
            made.iter().map(|(suffix, _)| *suffix).collect::<Vec<_>>(),
            [".br", ".gz"]
        );
        let mut back = Vec::new();
        brotli::Decompressor::new(made[0].1.as_slice(), 4096)
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, bytes);
        back.clear();
        flate2::read::GzDecoder::new(made[1].1.as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, bytes);
    }

    #[test]
    fn small_and_compressed_files_have_none() {
        assert!(
            neighbours("a.js", &[b'a'; 1024], Effort::Quick)
                .unwrap()
                .is_empty()
        );
        assert!(
            neighbours("a.png", &[b'a'; 9000], Effort::Quick)
                .unwrap()
                .is_empty()
        );
        assert!(
            neighbours("LICENSE", &[b'a'; 9000], Effort::Quick)
                .unwrap()
                .is_empty()
        );
    }
}
