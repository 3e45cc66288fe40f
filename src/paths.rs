//! The default places of pald's files, and the meaning of `~`.

use std::path::{Component, Path, PathBuf};

/// The configuration file for the whole machine.
#[cfg(not(target_os = "macos"))]
const SYSTEM_FILE: &str = "/etc/pald/config.toml";
#[cfg(target_os = "macos")]
const SYSTEM_FILE: &str = "/Library/Application Support/pald/config.toml";

/// The places that the defaults refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file for the whole machine, read first.
    pub system_file: PathBuf,
    /// The user's home folder, if known.
    pub home: Option<PathBuf>,
}

impl Paths {
    /// Returns the places for the user who runs pald.
    pub fn of_this_user() -> Self {
        let home = dirs::home_dir().filter(|home| home.is_absolute());
        Self { system_file: SYSTEM_FILE.into(), home }
    }

    /// Returns the user's configuration file, `~/.pald/config.toml`.
    pub fn user_file(&self) -> Option<PathBuf> {
        self.own_folder().map(|folder| folder.join("config.toml"))
    }

    /// Returns the folder for pald's files, `~/.pald`.
    pub fn own_folder(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(".pald"))
    }

    /// Parses a path that is absolute or starts with `~/`, which becomes the home folder.
    ///
    /// # Errors
    /// What rules the path out, as the end of a sentence: "is a relative path".
    pub fn expand(&self, path: &str) -> Result<PathBuf, &'static str> {
        if path.is_empty() {
            return Err("is empty");
        }
        if path.contains('\0') {
            return Err("contains a NUL byte");
        }
        let expanded = match path.strip_prefix("~/") {
            Some(rest) => {
                let home =
                    self.home.as_ref().ok_or("starts with ~, but no home folder is known")?;
                home.join(rest.trim_start_matches('/'))
            }
            None => PathBuf::from(path),
        };
        if !expanded.is_absolute() {
            return Err("is a relative path");
        }
        if path.ends_with('/') || expanded.file_name().is_none() {
            return Err("does not end with a file name");
        }
        if expanded.components().any(|part| part == Component::ParentDir) {
            return Err("contains ..");
        }
        Ok(normal(&expanded))
    }
}

/// Removes `.` and doubled slashes, so that equal paths compare equal.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_or_under_the_home_folder() {
        let paths = Paths { system_file: PathBuf::new(), home: Some("/home/ann".into()) };
        let rows: &[(&str, Result<&str, &str>)] = &[
            ("/var/lib/pald", Ok("/var/lib/pald")),
            ("~/.pald/dump", Ok("/home/ann/.pald/dump")),
            ("~//dump", Ok("/home/ann/dump")),
            ("/a//b/./c", Ok("/a/b/c")),
            ("", Err("is empty")),
            ("dump", Err("is a relative path")),
            ("./dump", Err("is a relative path")),
            ("~ann/dump", Err("is a relative path")),
            ("~", Err("is a relative path")),
            ("/", Err("does not end with a file name")),
            ("~/", Err("does not end with a file name")),
            ("/tmp/", Err("does not end with a file name")),
            ("/tmp/..", Err("does not end with a file name")),
            ("/tmp/../dump", Err("contains ..")),
            ("/a\0b", Err("contains a NUL byte")),
        ];
        for (path, expected) in rows {
            assert_eq!(paths.expand(path), expected.map(PathBuf::from), "{path:?}");
        }
        let homeless = Paths { home: None, ..paths };
        assert_eq!(homeless.expand("~/x"), Err("starts with ~, but no home folder is known"));
    }
}
