//! The folder of a checkout that a registered service remembers.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use thiserror::Error;

/// All bytes but these stand as `%XX`: a folder is one word of a dump's comment.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An absolute path without `.`, `..` and doubled slashes, kept percent-encoded, so that any bytes
/// of a path fit in JSON and in a line of ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder(Box<str>);

impl Folder {
    /// The maximum length in bytes, as encoded.
    pub const MAX_BYTES: usize = 1024;

    /// Takes a path over.
    ///
    /// # Errors
    /// The path is relative, is not in its shortest form, or is too long.
    pub fn of(path: &Path) -> Result<Self, FolderError> {
        let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        let shortest: PathBuf = path.components().collect();
        let is_shortest = shortest.as_os_str() == path.as_os_str();
        if !path.is_absolute() || !is_shortest || !path.components().all(is_plain) {
            return Err(FolderError::Form);
        }
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(FolderError::Form);
        }
        let encoded = percent_encode(path.as_os_str().as_bytes(), ENCODED).to_string();
        match encoded.len() {
            0..=Self::MAX_BYTES => Ok(Self(encoded.into())),
            bytes => Err(FolderError::TooLong { bytes }),
        }
    }

    /// Parses the encoded form, exactly as [`Folder::as_str`] gives it.
    ///
    /// # Errors
    /// It is encoded otherwise, or as for [`Folder::of`].
    pub fn parse(encoded: &str) -> Result<Self, FolderError> {
        let bytes: Vec<u8> = percent_decode_str(encoded).collect();
        let folder = Self::of(Path::new(&OsString::from_vec(bytes)))?;
        match *folder.0 == *encoded {
            true => Ok(folder),
            false => Err(FolderError::Encoding),
        }
    }

    /// Returns the encoded form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folder and those around it as they are encoded, from the inside out.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |folder| parent(folder))
    }

    /// Returns whether the folder is another one, or inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.ancestors().any(|folder| folder == other.as_str())
    }

    /// Returns the path itself.
    pub fn path(&self) -> PathBuf {
        OsString::from_vec(percent_decode_str(&self.0).collect()).into()
    }
}

fn parent(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a path can't be remembered as a folder.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FolderError {
    /// The path is relative, or has `.`, `..`, a doubled slash, a slash at its end, or a NUL.
    #[error("A folder must be an absolute path without `.`, `..` and doubled slashes")]
    Form,
    /// A byte is encoded that need not be, or the other way round.
    #[error("A folder must be percent-encoded as pald does it")]
    Encoding,
    /// It is longer than [`Folder::MAX_BYTES`].
    #[error("The folder is {bytes} bytes long as it is stored; at most 1024 are allowed")]
    TooLong {
        /// Its length in bytes, as encoded.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_path_comes_back() {
        let rows: [(&[u8], &str); 6] = [
            (b"/", "/"),
            (b"/home/ann/shop", "/home/ann/shop"),
            (b"/a b/c#d%e", "/a%20b/c%23d%25e"),
            ("/größe".as_bytes(), "/gr%C3%B6%C3%9Fe"),
            (b"/\xff\n", "/%FF%0A"),
            (b"/-._~", "/-._~"),
        ];
        for (path, encoded) in rows {
            let path = PathBuf::from(OsString::from_vec(path.to_vec()));
            let folder = Folder::of(&path).unwrap();
            assert_eq!(folder.as_str(), encoded);
            assert_eq!(folder.path(), path);
            assert_eq!(Folder::parse(encoded), Ok(folder));
        }
    }

    #[test]
    fn a_folder_is_within_itself_and_those_around_it() {
        let folder = |text| Folder::parse(text).unwrap();
        let ancestors = |text| folder(text).ancestors().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ancestors("/a%20b/c"), ["/a%20b/c", "/a%20b", "/"]);
        assert_eq!(ancestors("/"), ["/"]);
        let rows = [
            ("/a/b", "/a/b", true),
            ("/a/b/c", "/a/b", true),
            ("/a/bc", "/a/b", false),
            ("/a", "/a/b", false),
            ("/a", "/", true),
        ];
        for (inner, outer, expected) in rows {
            assert_eq!(folder(inner).is_within(&folder(outer)), expected, "{inner} {outer}");
        }
    }

    #[test]
    fn only_one_form_of_a_folder_is_legal() {
        use FolderError::{Encoding, Form};
        let rows = [
            ("", Form),
            ("home", Form),
            ("/a/", Form),
            ("//a", Form),
            ("/a/./b", Form),
            ("/a/../b", Form),
            ("/a%00", Form),
            ("/%61", Encoding),
            ("/gr%c3%b6", Encoding),
            ("/a%", Encoding),
            ("/a%2", Encoding),
            ("/%2Fa", Form),
            ("/a b", Encoding),
        ];
        for (encoded, error) in rows {
            assert_eq!(Folder::parse(encoded), Err(error), "{encoded:?}");
        }
        let longest = format!("/{}", "n".repeat(Folder::MAX_BYTES - 1));
        assert!(Folder::parse(&longest).is_ok());
        let error = Folder::parse(&(longest + "n"));
        assert_eq!(error, Err(FolderError::TooLong { bytes: 1025 }));
    }
}
