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
