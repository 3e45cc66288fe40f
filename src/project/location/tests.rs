use std::os::unix::fs::symlink;

use super::*;
use crate::project::{Label, ShortName};

/// A folder to make things in, by its real path.
struct Root {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(folder.path()).unwrap();
        Self { _folder: folder, path }
    }

    /// Writes a file of a project that is called like this.
    fn write(&self, folder: &str, project: &str) {
        let folder = self.path.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(FILE_NAME), format!("project = '{project}'")).unwrap();
    }

    fn folder(&self, folder: &str) {
        fs::create_dir_all(self.path.join(folder)).unwrap();
    }

    fn repository(&self, folder: &str) {
        self.folder(&format!("{folder}/.git"));
        fs::write(self.path.join(folder).join(".git/HEAD"), "ref: refs/heads/main").unwrap();
    }

    fn location(&self, from: &str) -> Result<Location, ProjectError> {
        Location::of(&self.path.join(from), Some(&self.path.join("home")))
    }

    /// The checkout, and the projects from the nearest to the topmost.
    fn projects(&self, from: &str) -> (Option<String>, String) {
        let location = self.location(from).unwrap();
        let short = |path: &Path| path.strip_prefix(&self.path).unwrap().display().to_string();
        let top = location.top.as_deref().map(short);
        let project = location.load().unwrap();
        let files = project.iter().flat_map(Project::files);
        let projects: Vec<_> = files.map(|file| file.project.as_str()).collect();
        (top, projects.join(" "))
    }
}

#[test]
fn the_files_up_to_the_top_of_a_checkout_count() {
    let root = Root::new();
    root.write("", "outside");
    root.repository("shop");
    root.write("shop", "shop");
    root.write("shop/apps/web", "web");
    root.folder("shop/apps/web/src");
    root.repository("shop/vendor/lib");
    root.folder("none/.git");
    let rows = [
        ("shop", "shop", "shop"),
        ("shop/apps", "shop", "shop"),
        ("shop/apps/web", "shop", "web shop"),
        ("shop/apps/web/src", "shop", "web shop"),
        ("shop/vendor/lib", "shop/vendor/lib", ""),
        ("none", "none", ""),
    ];
    for (from, top, projects) in rows {
        assert_eq!(root.projects(from), (Some(top.to_owned()), projects.to_owned()), "{from}");
    }
}

#[test]
fn outside_git_the_nearest_file_counts_and_makes_the_checkout() {
    let root = Root::new();
    root.write("b", "b");
    root.write("b/shop", "shop");
    root.folder("b/shop/deep/down");
    root.write("home", "home");
    root.folder("home/none");
    root.write("home/own", "own");
    let rows = [
        ("b", Some("b"), "b"),
        ("b/shop", Some("b/shop"), "shop"),
        ("b/shop/deep/down", Some("b/shop"), "shop"),
        ("home", None, ""),
        ("home/none", None, ""),
        ("home/own", Some("home/own"), "own"),
    ];
    for (from, top, projects) in rows {
        let expected = (top.map(str::to_owned), projects.to_owned());
        assert_eq!(root.projects(from), expected, "{from}");
    }
    let location = root.location("home/none").unwrap();
    assert_eq!(location.from, root.path.join("home/none"));
    assert!(root.path.starts_with(&location.to), "{location:?}");
}

/// Somebody else's file in /tmp would count for all projects there that are outside git.
#[test]
fn outside_git_the_search_ends_at_a_folder_of_another_owner() {
    use std::os::unix::fs::chown;
    let root = Root::new();
    root.write("theirs", "theirs");
    root.folder("theirs/own/deep");
    root.folder("theirs/.git");
    for path in ["theirs", "theirs/pald.toml", "theirs/.git"] {
        if chown(root.path.join(path), Some(4242), None).is_err() {
            return;
        }
    }
    assert_eq!(root.projects("theirs/own/deep"), (None, String::new()));
    let location = root.location("theirs/own/deep").unwrap();
    assert_eq!(location.to, root.path.join("theirs/own"));
    root.write("theirs/own", "own");
    assert_eq!(root.projects("theirs/own/deep"), (Some("theirs/own".to_owned()), "own".to_owned()));
}

#[test]
fn a_linked_worktree_without_a_file_uses_that_of_the_main_checkout() {
    let root = Root::new();
    root.repository("shop");
    let own = root.path.join("shop/.git/worktrees/fix");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("HEAD"), "ref: refs/heads/fix").unwrap();
    fs::write(own.join("commondir"), "../..\n").unwrap();
    root.folder("fix/apps/web/src");
    fs::write(root.path.join("fix/.git"), format!("gitdir: {}\n", own.display())).unwrap();
    assert_eq!(root.projects("fix/apps"), (Some("fix".to_owned()), String::new()));
    root.write("shop", "shop");
    root.write("shop/apps/web", "web");
    for (from, projects) in
        [("fix", "shop"), ("fix/apps", "shop"), ("fix/apps/web/src", "web shop")]
    {
        assert_eq!(root.projects(from), (Some("fix".to_owned()), projects.to_owned()), "{from}");
        assert!(root.location(from).unwrap().is_of_main);
    }
    root.write("fix", "shop");
    assert!(!root.location("fix/apps/web").unwrap().is_of_main);
    assert!(!root.location("fix").unwrap().checkout().unwrap().unwrap().may_be_main);
}

/// A worktree whose repository is not mounted where a container runs was refused to all commands.
#[test]
fn a_broken_git_file_matters_where_there_is_a_project() {
    let root = Root::new();
    root.folder("shop/deep");
    fs::write(root.path.join("shop/.git"), "gitdir: /no/such/folder").unwrap();
    assert_eq!(root.projects("shop/deep"), (None, String::new()));
    root.write("shop", "shop");
    let error = root.location("shop/deep").unwrap_err();
    assert!(matches!(error, ProjectError::Git { .. }), "{error}");
}

#[test]
fn what_is_no_file_to_read_is_refused() {
    let root = Root::new();
    let load = |from: &str| {
        let error = root.location(from).unwrap().load().unwrap_err();
        error.to_string().replace(&format!("{}/", root.path.display()), "")
    };
    root.folder("folder/pald.toml");
    assert_eq!(load("folder"), "folder/pald.toml is not a regular file");
    root.folder("fifo");
    let fifo = root.path.join("fifo/pald.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(load("fifo"), "fifo/pald.toml is not a regular file");
    root.folder("large");
    fs::write(root.path.join("large/pald.toml"), "#".repeat(65_537)).unwrap();
    assert_eq!(load("large"), "large/pald.toml is larger than 65536 bytes");
    root.folder("nowhere");
    symlink("none", root.path.join("nowhere/pald.toml")).unwrap();
    assert_eq!(load("nowhere"), "Can't read nowhere/pald.toml");
}

#[test]
fn a_path_that_is_too_long_to_remember_is_refused() {
    let root = Root::new();
    let mut path = root.path;
    for _ in 0..6 {
        path.push("n".repeat(200));
    }
    fs::create_dir_all(path.join(".git")).unwrap();
    let location = Location::of(&path, None).unwrap();
    // Who has no project there is not bothered.
    assert_eq!(location.load().unwrap(), None);
    fs::write(path.join(FILE_NAME), "project = 'shop'").unwrap();
    let error = Location::of(&path, None).unwrap().load().unwrap_err();
    let bytes = path.as_os_str().len();
    let expected = format!("The checkout {} can't be remembered", path.display());
    assert_eq!(error.to_string(), expected);
    let source = std::error::Error::source(&error).unwrap().to_string();
    let expected =
        format!("The folder is {bytes} bytes long as it is stored; at most 1024 are allowed");
    assert_eq!(source, expected);
}

#[test]
fn the_folder_gives_the_label_unless_the_checkout_has_one() {
    let root = Root::new();
    root.repository("shop-b");
    root.write("shop-b", "shop");
    let project = root.location("shop-b").unwrap().load().unwrap().unwrap();
    let labels = |known: Option<&Label>| {
        let labels = project.labels(known);
        labels.iter().map(|label| label.to_string()).collect::<Vec<_>>()
    };
    let known = Label::of_name(ShortName::parse("c"));
    assert_eq!(labels(None), ["", "b"]);
    assert_eq!(labels(Some(&Label::default())), ["", "b"]);
    assert_eq!(labels(Some(&known)), ["c", "b"]);
}
