//! Whether pald's files are the user's own and nobody else's.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::config::Config;
use crate::files::Shown;
use crate::paths::Paths;

const SUBJECT: &str = "files";

/// The rights that others must not have: any, or to write.
const ANY: u32 = 0o077;
const WRITE: u32 = 0o022;

/// What others could do with the files of this configuration.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let paths = Paths::of_this_user();
    // A configuration may be read by others, since it holds no secret.
    let settings = paths.user_file().map(|path| (path, WRITE));
    let private = paths.own_folder().into_iter().chain([config.dump_file.clone()]);
    let findings = private.map(|path| (path, ANY)).chain(settings);
    let findings = findings.filter_map(|(path, refused)| look(&path, &path, refused));
    // One command mends all of the store.
    let store = tree(&config.data_dir);
    let store = store.iter().find_map(|path| look(path, &config.data_dir, ANY));
    findings.chain(store).collect()
}

/// What is wrong with a file or folder, if it is there and anything is; `mended` is what the command
/// is for that mends it.
fn look(path: &Path, mended: &Path, refused: u32) -> Option<Finding> {
    let metadata = fs::metadata(path).ok()?;
    judge(path, mended, &metadata, rustix::process::geteuid().as_raw(), refused)
}

fn judge(
    path: &Path,
    mended: &Path,
    metadata: &Metadata,
    own: u32,
    refused: u32,
) -> Option<Finding> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    let (path, all) = (Shown(path), if path == mended { "" } else { "-R " });
    let mended = in_shell(mended);
    if owner != own && owner != 0 {
        let text = format!("{path} belongs to user {owner}, not to you or root");
        return Some(Finding::fault(SUBJECT, text, format!("sudo chown {all}{own} {mended}")));
    }
    let (may, rights) = match refused {
        WRITE => ("change", "go-w"),
        _ => ("look into", "go="),
    };
    (mode & refused != 0).then(|| {
        let text = format!("{path} has mode {mode:04o}, so that others may {may} it");
        Finding::warn(SUBJECT, text, format!("chmod {all}{rights} {mended}"))
    })
}

/// The store's folder and what is in it.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let mut done = 0;
    while let Some(path) = all.get(done) {
        done += 1;
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        // What a link leads to is none of the store's.
        let own: Vec<_> = entries
            .filter(|it| it.file_type().is_ok_and(|it| !it.is_symlink()))
            .map(|it| it.path())
            .collect();
        all.extend(own);
    }
    all
}

/// The path as a word of a shell's command.
fn in_shell(path: &Path) -> String {
    let shown = Shown(path).to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-~".contains(c);
    match shown.chars().all(is_plain) {
        true => shown,
        false => format!("'{}'", path.to_string_lossy().replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn rights_of_others_and_other_owners_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's here");
        fs::write(&path, "").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        let shown = path.display();
        let quoted = format!("'{}'", path.to_str().unwrap().replace('\'', r"'\''"));
        let said = |mode, may, command| {
            Some(format!(
                "warn  files    {shown} has mode {mode}, so that others may {may} it\n      hint: {command} {quoted}\n"
            ))
        };
        // (mode, what is refused, what is said)
        let rows = [
            (0o600, ANY, None),
            (0o644, WRITE, None),
            (0o644, ANY, said("0644", "look into", "chmod go=")),
            (0o620, WRITE, said("0620", "change", "chmod go-w")),
        ];
        let judged =
            |own, refused| judge(&path, &path, &fs::metadata(&path).unwrap(), own, refused);
        for (mode, refused, expected) in rows {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(judged(owner, refused).map(|it| it.to_string()), expected);
        }
        // What belongs to root belongs to nobody else.
        let text = judged(owner + 1, ANY).map(|it| it.text).unwrap_or_default();
        assert_eq!(text.contains(" belongs to user "), owner != 0);
    }
}
