//! What git's files say about a folder. git is not run, and none of its files is written.
//!
//! The layout is that of gitrepository-layout(5) and git-worktree(1).

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::ProjectError;
use crate::files::{self, Links, ReadError};

/// The maximum size of the files of one line, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The maximum size of a repository's settings, in bytes.
const MAX_CONFIG_BYTES: usize = 1024 * 1024;

/// The top of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkTree {
    pub(super) top: PathBuf,
    /// Whether it may be the main checkout of a project.
    pub(super) may_be_main: bool,
    /// The main checkout, of which this is a linked worktree.
    pub(super) main: Option<PathBuf>,
}

/// What `.git` in a folder is.
enum DotGit {
    /// None, or another user's.
    Nothing,
    /// A repository.
    Repository,
    /// A bare repository, or a file that leads to one.
    Bare,
    /// A linked worktree, with its own folder in the repository and the repository itself.
    Linked { own: PathBuf, repository: PathBuf },
    /// A file that leads to a repository: of a submodule, or of a repository that is kept apart.
    Apart,
}

/// Returns the work tree that a folder is in: as git, up to the border of the filesystem.
///
/// # Errors
/// A file of git's leads nowhere, or can't be read.
pub(super) fn work_tree(folder: &Path) -> Result<Option<WorkTree>, ProjectError> {
    let main = |top: &Path| WorkTree { top: top.to_owned(), may_be_main: true, main: None };
    let device = metadata(folder)?.map(|found| found.dev());
    let mut apart = None;
    for top in folder.ancestors() {
        if metadata(top)?.map(|found| found.dev()) != device {
            break;
        }
        match dot_git(top)? {
            DotGit::Nothing => {}
            DotGit::Bare => break,
            // A submodule belongs to the checkout around it, if there is one.
            DotGit::Apart => apart = Some(top),
            DotGit::Repository => return Ok(Some(main(top))),
            DotGit::Linked { own, repository } => return linked(top, &own, &repository).map(Some),
        }
    }
    Ok(apart.map(main))
}

fn linked(top: &Path, own: &Path, repository: &Path) -> Result<WorkTree, ProjectError> {
    let top = top.to_owned();
    if is_bare(repository)? {
        // The repository has no checkout itself; the worktree of its branch takes that place.
        let branch = head(own)?;
        let may_be_main = branch.is_some() && branch == head(repository)?;
        return Ok(WorkTree { top, may_be_main, main: None });
    }
    // A repository that is kept apart does not say where its checkout is.
    let is_inside = repository.file_name() == Some(OsStr::new(".git"));
    let main = repository.parent().filter(|_| is_inside).map(Path::to_owned);
    Ok(WorkTree { top, may_be_main: false, main })
}

fn dot_git(top: &Path) -> Result<DotGit, ProjectError> {
    let path = top.join(".git");
    let Some(found) = metadata(&path)?.filter(is_own) else { return Ok(DotGit::Nothing) };
    if found.is_dir() {
        return Ok(if is_bare(&path)? { DotGit::Bare } else { DotGit::Repository });
    }
    let Some(line) = line(&path)? else { return Ok(DotGit::Nothing) };
    let target =
        line.strip_prefix(b"gitdir: ").ok_or_else(|| ProjectError::NoGitFile(path.clone()))?;
    let own = repository_at(&path, &top.join(OsStr::from_bytes(target)))?;
    let common = own.join("commondir");
    match self::line(&common)? {
        Some(line) => {
            let repository = repository_at(&common, &own.join(OsStr::from_bytes(&line)))?;
            Ok(DotGit::Linked { own, repository })
        }
        None if is_bare(&own)? => Ok(DotGit::Bare),
        None => Ok(DotGit::Apart),
    }
}

/// Returns the real path of a repository that a file names.
fn repository_at(file: &Path, target: &Path) -> Result<PathBuf, ProjectError> {
    let wrong =
        |reason| ProjectError::Git { file: file.to_owned(), target: target.to_owned(), reason };
    match metadata(target)? {
        None => Err(wrong("can't be found")),
        Some(found) if !found.is_dir() => Err(wrong("is not a folder")),
        // HEAD may be a link that leads nowhere yet.
        Some(_) if fs::symlink_metadata(target.join("HEAD")).is_err() => {
            Err(wrong("is not a repository"))
        }
        Some(_) => fs::canonicalize(target).map_err(io_error(target)),
    }
}

/// Returns whether a repository is a bare one, by its settings. `config.worktree` has the last word
/// where there is one (git-worktree(1), CONFIGURATION FILE).
fn is_bare(repository: &Path) -> Result<bool, ProjectError> {
    let mut is_bare = None;
    for name in ["config", "config.worktree"] {
        let content = read(&repository.join(name), MAX_CONFIG_BYTES)?.unwrap_or_default();
        is_bare = bare_setting(&content).or(is_bare);
    }
    Ok(is_bare.unwrap_or_default())
}

/// Returns the last value of `core.bare` in the text of git's settings (git-config(1)).
fn bare_setting(content: &[u8]) -> Option<bool> {
    let mut section = String::new();
    let mut bare = None;
    for line in String::from_utf8_lossy(content).lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        let rest = match line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            Some((name, rest)) => {
                section = name.trim().to_ascii_lowercase();
                rest.trim()
            }
            None => line,
        };
        let (key, value) = rest.split_once('=').unwrap_or((rest, "true"));
        if section == "core" && key.trim().eq_ignore_ascii_case("bare") {
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            bare = Some(matches!(value.as_str(), "true" | "yes" | "on" | "1"));
        }
    }
    bare
}

/// Returns the branch that a HEAD names; `None` if it is detached, or kept elsewhere (reftables).
fn head(repository: &Path) -> Result<Option<Vec<u8>>, ProjectError> {
    let line = line(&repository.join("HEAD"))?;
    let branch = line.and_then(|line| line.strip_prefix(b"ref: ").map(<[u8]>::to_vec));
    Ok(branch.filter(|branch| branch != b"refs/heads/.invalid"))
}

/// Returns a file of one line, without the line breaks at its end; `None` if there is no such file.
fn line(path: &Path) -> Result<Option<Vec<u8>>, ProjectError> {
    let Some(mut bytes) = read(path, MAX_LINE_BYTES)? else { return Ok(None) };
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    while bytes.pop_if(|byte| is_break(byte)).is_some() {}
    Ok(Some(bytes))
}

fn read(path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, ReadError> {
    files::read(path, max_bytes, Links::Follow)
}

/// Returns whether something belongs to this user or root. What others put above a folder, as in
/// /tmp, says nothing about it.
fn is_own(metadata: &Metadata) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
}

/// Returns the metadata of what is at a path, links followed; `None` if nothing is there, or if this
/// user may not see it: then it is no project of theirs.
pub(super) fn metadata(path: &Path) -> Result<Option<Metadata>, ProjectError> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => {
            Ok(None)
        }
        found => found.map(Some).map_err(io_error(path)),
    }
}

pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> ProjectError {
    move |source| ProjectError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes the files of this text in a temporary folder: a path, `: ` and the content a line.
    fn folder(files: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files.lines().map(|line| line.split_once(": ").unwrap()) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content.replace('|', "\n")).unwrap();
        }
        folder
    }

    /// What is found from a folder: the top, whether it may be the main one, and the main one; or
    /// the message.
    fn found(root: &Path, from: &str) -> Result<Option<(String, bool, Option<String>)>, String> {
        let root = fs::canonicalize(root).unwrap();
        let short = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
        match work_tree(&root.join(from)) {
            Ok(tree) => {
                Ok(tree.map(|it| (short(&it.top), it.may_be_main, it.main.as_deref().map(short))))
            }
            Err(error) => Err(error.to_string().replace(&format!("{}/", root.display()), "")),
        }
    }

    #[test]
    fn the_kinds_of_checkouts_are_told_apart() {
        let root = folder(
            "\
main/.git/HEAD: ref: refs/heads/main|
main/.git/config: [core]|bare = false|
main/sub/deep/file: x
main/module/.git: gitdir: ../.git/modules/module|
main/module/deep/file: x
main/.git/modules/module/HEAD: ref: refs/heads/main|
main/.git/worktrees/wt/HEAD: ref: refs/heads/wt|
main/.git/worktrees/wt/commondir: ../..|
wt/.git: gitdir: ../main/.git/worktrees/wt|
main/inside/.git: gitdir: ../.git/worktrees/wt|
bare/HEAD: ref: refs/heads/main|
bare/config: [core]|\trepositoryformatversion = 0|\tbare = true|
bare/worktrees/a/HEAD: ref: refs/heads/main|
bare/worktrees/a/commondir: ../..|
bare/worktrees/b/HEAD: ref: refs/heads/fix|
bare/worktrees/b/commondir: ../..|
bare/worktrees/c/HEAD: 0123456789|
bare/worktrees/c/commondir: ../..|
a/.git: gitdir: ../bare/worktrees/a|
b/.git: gitdir: ../bare/worktrees/b|
c/.git: gitdir: ../bare/worktrees/c|
of-bare/.git: gitdir: ../bare|
apart/.git: gitdir: ../kept|
kept/HEAD: ref: refs/heads/main|
kept/worktrees/x/HEAD: ref: refs/heads/x|
kept/worktrees/x/commondir: ../..|
x/.git: gitdir: ../kept/worktrees/x|
in-git/.git/config: [core]|bare = true|
plain/file: x",
        );
        let main = Ok(Some(("main".to_owned(), true, None)));
        let linked = |top: &str| Ok(Some((top.to_owned(), false, Some("main".to_owned()))));
        let alone = |top: &str, may_be_main| Ok(Some((top.to_owned(), may_be_main, None)));
        let rows = [
            ("main", main.clone()),
            ("main/sub/deep", main.clone()),
            ("main/module/deep", main),
            ("main/inside", linked("main/inside")),
            ("wt", linked("wt")),
            ("a", alone("a", true)),
            ("b", alone("b", false)),
            ("c", alone("c", false)),
            ("of-bare", Ok(None)),
            ("in-git", Ok(None)),
            ("apart", alone("apart", true)),
            ("x", alone("x", false)),
            ("plain", Ok(None)),
        ];
        for (from, expected) in rows {
            assert_eq!(found(root.path(), from), expected, "{from}");
        }
    }

    #[test]
    fn a_git_file_that_leads_nowhere_is_named() {
        let root = folder(
            "\
nowhere/.git: gitdir: /no/such/folder|
file/.git: gitdir: ../plain|
plain: x
outside/.git: gitdir: /etc|
itself/.git: gitdir: .git|
lost/.git: gitdir: ../own|
own/HEAD: ref: refs/heads/x|
own/commondir: /no/such/folder|
text/.git: x",
        );
        std::os::unix::fs::symlink(".git", root.path().join("plain.git")).unwrap();
        fs::create_dir(root.path().join("circle")).unwrap();
        std::os::unix::fs::symlink(".git", root.path().join("circle/.git")).unwrap();
        let rows = [
            ("nowhere", "nowhere/.git names /no/such/folder, which can't be found"),
            ("file", "file/.git names file/../plain, which is not a folder"),
            ("outside", "outside/.git names /etc, which is not a repository"),
            ("itself", "itself/.git names itself/.git, which is not a folder"),
            ("lost", "lost/../own/commondir names /no/such/folder, which can't be found"),
            ("text", "text/.git is not a file that git wrote: it must start with `gitdir: `"),
            ("circle", "Can't look at circle/.git"),
        ];
        for (from, expected) in rows {
            let message = found(root.path(), from).unwrap_err();
            assert_eq!(
                message.replace("own/../own", "own"),
                expected.replace("lost/../own", "own"),
                "{from}"
            );
        }
    }

    #[test]
    fn the_setting_of_a_bare_repository_is_found_as_git_finds_it() {
        let rows = [
            ("[core]\n\tbare = true\n", Some(true)),
            ("[core]\n\tbare = false\n", Some(false)),
            ("[CORE]\nBare=yes # of course", Some(true)),
            ("[core] bare", Some(true)),
            ("[core]\nbare = \"true\"\n[core]\nbare = off", Some(false)),
            ("[remote \"core\"]\nbare = true", None),
            ("[core \"x\"]\nbare = true", None),
            ("; [core]\nbare = true", None),
            ("", None),
        ];
        for (content, expected) in rows {
            assert_eq!(bare_setting(content.as_bytes()), expected, "{content:?}");
        }
    }
}
