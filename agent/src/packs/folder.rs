//! The host's own packs: a folder that root owns and nobody else may write.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::parse::PACK_BYTES_MAX;

/// Where they are unless said otherwise.
pub const DEFAULT_DIR: &str = "/etc/oc-agent/packs";
const PACKS_MAX: usize = 64;

/// What the folder holds.
#[derive(Debug, Default)]
pub struct Texts {
    /// File and text, by name.
    pub packs: Vec<(String, String)>,
    /// File and reason.
    pub refused: Vec<String>,
}

/// Reads it; a folder that is not there holds none.
pub fn read(dir: &Path) -> Texts {
    let mut texts = Texts::default();
    let shown = dir.display();
    let folder = match std::fs::metadata(dir) {
        Ok(folder) => folder,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return texts,
        Err(error) => {
            texts
                .refused
                .push(format!("{shown} cannot be read: {error}"));
            return texts;
        }
    };
    if let Some(why) = distrust(folder.uid(), folder.mode()) {
        texts
            .refused
            .push(format!("{shown} {why}; no pack in it is followed"));
        return texts;
    }
    let mut files: Vec<_> = match std::fs::read_dir(dir) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "toml"))
            .collect(),
        Err(error) => {
            texts
                .refused
                .push(format!("{shown} cannot be read: {error}"));
            return texts;
        }
    };
    files.sort();
    if files.len() > PACKS_MAX {
        let beyond = files.len() - PACKS_MAX;
        texts.refused.push(format!(
            "{shown} holds {beyond} packs beyond {PACKS_MAX}; those last by name are not followed"
        ));
        files.truncate(PACKS_MAX);
    }
    for path in files {
        let name = domain::text::clean_label(&path.display().to_string());
        match text(&path) {
            Ok(text) => texts.packs.push((name, text)),
            Err(why) => texts.refused.push(format!("{name} {why}")),
        }
    }
    texts
}

fn text(path: &Path) -> Result<String, String> {
    use std::os::unix::fs::OpenOptionsExt;
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // What is judged is what was opened: no link, and no pipe to wait for.
    let file = File::options()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(code) if code == nix::errno::Errno::ELOOP as i32 => {
                "is a link; put the file itself into the folder".to_owned()
            }
            _ => unreadable(error),
        })?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if let Some(why) = distrust(meta.uid(), meta.mode()) {
        return Err(format!("{why}; it is not followed"));
    }
    let mut text = String::new();
    file.take(PACK_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > PACK_BYTES_MAX {
        return Err(format!("is larger than {PACK_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn distrust(uid: u32, mode: u32) -> Option<&'static str> {
    if uid != 0 {
        Some("is not owned by root (chown root:root it)")
    } else if mode & 0o022 != 0 {
        Some("may be written by others than root (chmod go-w it)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_root_alone_may_write_is_trusted() {
        assert_eq!(distrust(0, 0o40_755), None);
        assert!(distrust(1000, 0o100_644).is_some());
        assert!(distrust(0, 0o100_664).is_some());
        assert!(distrust(0, 0o100_646).is_some());
    }

    #[test]
    fn a_folder_that_is_not_there_holds_none() {
        let texts = read(Path::new("/nonexistent/packs"));
        assert!(texts.packs.is_empty() && texts.refused.is_empty());
    }

    #[test]
    fn links_and_what_others_may_write_are_refused_and_the_rest_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let put = |name: &str, mode: u32| {
            let path = temp.path().join(name);
            std::fs::write(&path, "name = \"a\"").unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        put("a.toml", 0o644);
        put("b.toml", 0o666);
        put("c.txt", 0o644);
        std::os::unix::fs::symlink("a.toml", temp.path().join("d.toml")).unwrap();
        std::fs::create_dir(temp.path().join("e.toml")).unwrap();
        let is_root = std::fs::metadata(temp.path()).unwrap().uid() == 0;
        let texts = read(temp.path());
        if !is_root {
            assert!(texts.packs.is_empty());
            assert!(texts.refused[0].contains("is not owned by root"));
            return;
        }
        assert_eq!(texts.packs.len(), 1);
        assert!(texts.packs[0].0.ends_with("/a.toml"));
        let refused = texts.refused.join("\n");
        for part in [
            "b.toml may be written by others",
            "d.toml is a link",
            "e.toml is not a regular file",
        ] {
            assert!(refused.contains(part), "{part} is not in {refused}");
        }
        std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let texts = read(temp.path());
        assert!(texts.packs.is_empty());
        assert!(texts.refused[0].contains("may be written by others"));
    }
}
