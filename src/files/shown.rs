//! Paths in messages, and paths in commands that a message names.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::printable::{Printable, is_printable};

/// Displays a path for messages: `~` for the home folder, control and format characters escaped.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a, P: AsRef<Path> + ?Sized>(pub &'a P);

impl<P: AsRef<Path> + ?Sized> fmt::Display for Shown<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = from_home(self.0.as_ref());
        match path.to_string_lossy() {
            home if home == "~/" => f.write_str("~"),
            path => Printable(&path).fmt(f),
        }
    }
}

/// Displays a path as one word of a shell, so that a command with it can be pasted: quoted, after the
/// `~` of the home folder, if it has any character that means something there.
#[derive(Debug, Clone, Copy)]
pub struct InShell<'a, P: AsRef<Path> + ?Sized>(pub &'a P);

impl<P: AsRef<Path> + ?Sized> fmt::Display for InShell<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = from_home(self.0.as_ref());
        let bytes = path.as_os_str().as_bytes();
        let (start, rest) = match bytes.strip_prefix(b"~/") {
            Some(rest) => ("~/", rest),
            None => ("", bytes),
        };
        f.write_str(start)?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-@:,=".contains(byte);
        match str::from_utf8(rest) {
            Ok(text) if !bytes.is_empty() && rest.iter().all(is_plain) => f.write_str(text),
            Ok(text) if text.chars().all(is_printable) => {
                write!(f, "'{}'", text.replace('\'', r"'\''"))
            }
            // `$'...'` takes any byte (POSIX.1-2024, Shell and Utilities, 2.2.4).
            _ => {
                f.write_str("$'")?;
                rest.iter().try_for_each(|byte| match byte {
                    b'\'' | b'\\' => write!(f, "\\{}", char::from(*byte)),
                    b' '..=b'~' => write!(f, "{}", char::from(*byte)),
                    byte => write!(f, "\\{byte:03o}"),
                })?;
                f.write_str("'")
            }
        }
    }
}

/// Returns the path with `~` for the home folder.
fn from_home(path: &Path) -> PathBuf {
    let home = dirs::home_dir().filter(|home| home.parent().is_some());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => Path::new("~").join(rest),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::process::Command;

    use super::*;

    /// A path in a command was pasted as it was shown, escaped for people.
    #[test]
    fn a_path_in_a_command_is_one_word() {
        let rows: [(&[u8], &str); 9] = [
            (b"/var/lib/pald", "/var/lib/pald"),
            (b"/it's here", r"'/it'\''s here'"),
            (b"/a;rm -rf $HOME`id`", "'/a;rm -rf $HOME`id`'"),
            (b"~", "'~'"),
            (b"", "''"),
            ("/größe".as_bytes(), "'/größe'"),
            (b"/a\x1b[2J\n'\\", r"$'/a\033[2J\012\'\\'"),
            (b"/\xff", r"$'/\377'"),
            ("/a\u{202e}b".as_bytes(), r"$'/a\342\200\256b'"),
        ];
        for (path, expected) in rows {
            let path = OsStr::from_bytes(path);
            assert_eq!(InShell(path).to_string(), expected);
            assert_one_word(Path::new(path));
        }
        let home = dirs::home_dir().unwrap();
        let rows = [
            ("a.b", "~/a.b"),
            ("a b", "~/'a b'"),
            ("it's", r"~/'it'\''s'"),
            ("a\x07", r"~/$'a\007'"),
            ("", "~/"),
        ];
        for (rest, expected) in rows {
            assert_eq!(InShell(&home.join(rest)).to_string(), expected);
            assert_one_word(&home.join(rest));
        }
        // What another pald says of a path of its own.
        assert_eq!(InShell("~/a b").to_string(), "~/'a b'");
    }

    /// Not every machine has bash, and not every other shell knows `$'`.
    fn assert_one_word(path: &Path) {
        let line = format!("printf %s {}", InShell(path));
        if let Ok(output) = Command::new("bash").args(["-c", &line]).output() {
            assert_eq!(output.stdout, path.as_os_str().as_bytes(), "{line}");
        }
    }

    #[test]
    fn a_path_in_a_message_is_escaped() {
        let home = dirs::home_dir().unwrap();
        assert_eq!(Shown(&home.join("a b\u{1b}\u{202e}")).to_string(), "~/a b\\u{1b}\\u{202e}");
        assert_eq!(Shown(&home).to_string(), "~");
    }
}
