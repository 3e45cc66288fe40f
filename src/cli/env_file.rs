//! Files of variables that pald writes, and may write again.

use std::path::Path;

use super::error::CommandError;
use crate::files::{self, Links};
use crate::printable::Printable;

/// How the first line starts, by which a file of pald's is known.
const MARK: &str = "# Written by `pald env`";
/// The maximum size of a file that is replaced, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Writes a file through a temporary one; its first line says that it is pald's, and `of` what.
///
/// # Errors
/// Another file is there, or can't be written.
pub(super) fn write(path: &Path, of: &str, lines: &[String]) -> Result<(), CommandError> {
    let failed = |source| CommandError::Write { path: path.to_owned(), source };
    let there = files::read(path, MAX_BYTES, Links::Refuse);
    let is_ours = there
        .as_ref()
        .map(|content| content.as_ref().is_none_or(|content| content.starts_with(MARK.as_bytes())));
    if !is_ours.unwrap_or_default() {
        return Err(CommandError::NotOurs(path.to_owned()));
    }
    let mut text = format!("{MARK}{}; it writes the file anew\n", Printable(of));
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    files::replace_for_user(path, text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_file_that_pald_wrote_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env.ports");
        let lines = |lines: &[&str]| lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        write(&path, " for shop in /src\n/x", &lines(&["A=1", "B=2"])).unwrap();
        let first = "# Written by `pald env` for shop in /src\\n/x; it writes the file anew\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{first}A=1\nB=2\n"));
        write(&path, "", &lines(&["C=3"])).unwrap();
        let text = "# Written by `pald env`; it writes the file anew\nC=3\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        for mine in ["", "A=mine\n", "A=mine\n# Written by `pald env`\n"] {
            fs::write(&path, mine).unwrap();
            let refused = write(&path, "", &lines(&["C=3"]));
            assert!(matches!(refused, Err(CommandError::NotOurs(_))), "{mine:?}: {refused:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), mine);
        }
        let refused = write(folder.path(), "", &[]);
        assert!(matches!(refused, Err(CommandError::NotOurs(_))), "{refused:?}");
        let nowhere = write(&folder.path().join("none/file"), "", &[]);
        assert!(matches!(nowhere, Err(CommandError::Write { .. })), "{nowhere:?}");
    }
}
