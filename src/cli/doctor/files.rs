//! Whether other users can read or change pald's files.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::daemon::ownership;
use crate::cli::explain::Explain as _;
use crate::cli::place;
use crate::config::Config;
use crate::files::ownership::{UnsafePath, check_path};
use crate::files::{InShell, Shown};

const SUBJECT: &str = "files";

/// The permissions that others must not have: any, or write.
const ANY: u32 = 0o077;
const WRITE: u32 = 0o022;

/// Checks owners and permissions of the files of this configuration.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let paths = place::paths();
    // Others may read the configuration, since it holds no secrets.
    let settings = paths.user_file().map(|path| (path, WRITE));
    let private = paths.own_folder().into_iter().chain([config.dump_file.clone()]);
    let findings = private.map(|path| (path, ANY)).chain(settings);
    let findings = findings.filter_map(|(path, refused)| check(&path, &path, refused));
    // One command fixes the whole store.
    let store = tree(&config.data_dir);
    let store = store.iter().find_map(|path| check(path, &config.data_dir, ANY));
    let findings: Vec<_> = findings.chain(store).collect();
    // The start ends with the same; what was found already need not be said twice.
    let is_found =
        |path: &Path| findings.iter().any(|it| it.text.starts_with(&format!("{} ", Shown(path))));
    let refused = ownership::check(config).err().filter(|error| !is_found(error.path()));
    let refused = refused.map(|error| unsafe_path(SUBJECT, &error));
    findings.into_iter().chain(refused).chain(program()).collect()
}

/// Checks the program itself, which `pald install` refuses by the same measure.
fn program() -> Option<Finding> {
    let program = place::program().ok()?;
    let error = check_path(&program).err()?;
    Some(unsafe_path("program", &error))
}

fn unsafe_path(subject: &'static str, error: &UnsafePath) -> Finding {
    let hint = error.remedy().or_else(|| error.hint()).unwrap_or_default();
    Finding::fault(subject, error.to_string(), hint)
}

/// Checks a file or folder, if it exists; `fixed` is the path for the command that fixes it.
fn check(path: &Path, fixed: &Path, refused: u32) -> Option<Finding> {
    let metadata = fs::metadata(path).ok()?;
    judge(path, fixed, &metadata, rustix::process::geteuid().as_raw(), refused)
}

fn judge(
    path: &Path,
    fixed: &Path,
    metadata: &Metadata,
    own: u32,
    refused: u32,
) -> Option<Finding> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    let (path, all) = (Shown(path), if path == fixed { "" } else { "-R " });
    let fixed = InShell(fixed);
    if owner != own && owner != 0 {
        let text = format!("{path} belongs to user {owner}, not to you or root");
        return Some(Finding::fault(SUBJECT, text, format!("sudo chown -h {all}{own} {fixed}")));
    }
    let (access, rights) = match refused {
        WRITE => ("change", "go-w"),
        _ => ("read", "go="),
    };
    (mode & refused != 0).then(|| {
        let text = format!("{path} has mode {mode:04o}: others can {access} it");
        Finding::warn(SUBJECT, text, format!("chmod {all}{rights} {fixed}"))
    })
}

/// Returns the store's folder and all files and folders in it.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let mut done = 0;
    while let Some(path) = all.get(done) {
        done += 1;
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        // The target of a link is not part of the store.
        let own: Vec<_> = entries
            .filter(|it| it.file_type().is_ok_and(|it| !it.is_symlink()))
            .map(|it| it.path())
            .collect();
        all.extend(own);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn permissions_of_others_and_other_owners_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's here");
        fs::write(&path, "").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        let shown = path.display();
        let quoted = format!("'{}'", path.to_str().unwrap().replace('\'', r"'\''"));
        let warning = |mode, may, command| {
            Some(format!(
                "warn  files    {shown} has mode {mode}: others can {may} it\n      hint: {command} {quoted}\n"
            ))
        };
        // (mode, refused permissions, finding)
        let rows = [
            (0o600, ANY, None),
            (0o644, WRITE, None),
            (0o644, ANY, warning("0644", "read", "chmod go=")),
            (0o620, WRITE, warning("0620", "change", "chmod go-w")),
        ];
        let judged =
            |own, refused| judge(&path, &path, &fs::metadata(&path).unwrap(), own, refused);
        for (mode, refused, expected) in rows {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(judged(owner, refused).map(|it| it.lines().join("\n") + "\n"), expected);
        }
        // Files of root are accepted.
        let text = judged(owner + 1, ANY).map(|it| it.text).unwrap_or_default();
        assert_eq!(text.contains(" belongs to user "), owner != 0);
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(4242), None).is_ok() {
            let told = judged(7, ANY).unwrap().lines();
            let expected =
                format!("fault files    {shown} belongs to user 4242, not to you or root");
            assert_eq!(told, [expected, format!("      hint: sudo chown -h 7 {quoted}")]);
        }
    }
}
