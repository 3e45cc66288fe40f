//! Files that another user planted where pald's are: the start ends before anything is touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use pald::store::Store;

use crate::daemon::{Home, PALD};
use crate::faults::{finish, no_strace};
use crate::skip::{is_root, skip};

/// A user that no test runs as, and a name that no user has.
const STRANGER: u32 = 1234;
/// What the victim has in a file of their own.
const PRIVATE: &str = "a private key\n";

/// A home with a store of one service, a private file, and a store of the stranger's.
struct Victim {
    home: Home,
}

impl Victim {
    fn new() -> Self {
        let home = Home::new(3);
        let daemon = home.start();
        daemon.set("shop").port();
        assert_eq!(daemon.stop().0, Some(0));
        fs::write(home.path().join("private"), PRIVATE).unwrap();
        let theirs = home.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        for name in ["db", "conf"] {
            fs::copy(home.file("db").join(name), theirs.join(name)).unwrap();
            chown(theirs.join(name), Some(STRANGER), None).unwrap();
        }
        chown(&theirs, Some(STRANGER), None).unwrap();
        Self { home }
    }

    fn private(&self) -> PathBuf {
        self.home.path().join("private")
    }

    /// All files and folders of the home but the lock files: name, mode, owner and content.
    fn state(&self) -> Vec<(PathBuf, u32, u32, Vec<u8>)> {
        let mut state = Vec::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                let content =
                    if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                state.push((path, metadata.mode(), metadata.uid(), content));
            }
        }
        state.sort();
        state
    }

    /// Asserts that pald does not start, says why, and leaves everything as it is.
    fn assert_refused(&self, case: &str, variables: &[(&str, &Path)], message: &str) {
        let before = self.state();
        let mut command = self.home.command();
        command.envs(variables.iter().copied());
        let (code, stderr) = self.home.run(command);
        assert_eq!(code, Some(78), "{case}: {stderr}");
        let first = stderr.lines().find(|line| line.starts_with("Error: ")).unwrap_or_default();
        assert_eq!(first, format!("Error: {message}"), "{case}: {stderr}");
        assert!(stderr.contains("\nhint: "), "{case}: {stderr}");
        assert_eq!(self.state(), before, "{case}");
        assert_eq!(fs::read_to_string(self.private()).unwrap(), PRIVATE, "{case}");
    }
}

/// Removes what is at a path, whatever it is.
fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        fs::remove_dir_all(path).unwrap();
    } else if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).unwrap();
    }
}

/// Makes a link of this owner in the place of whatever is there.
fn link(owner: u32, target: &Path, path: &Path) {
    remove(path);
    symlink(target, path).unwrap();
    lchown(path, Some(owner), None).unwrap();
}

fn fifo(path: &Path) {
    remove(path);
    mkfifo(path, Mode::S_IRUSR).unwrap();
    chown(path, Some(STRANGER), None).unwrap();
}

/// sled follows links, and overwrote a private file.
#[test]
fn nothing_that_another_user_planted_is_taken_for_pald_s_own() {
    if !is_root("make files of another user") {
        return;
    }
    type Plant = fn(&Victim, &Path);
    let of_stranger = "belongs to user 1234, not to you or root";
    // (where under ~/.pald, what is planted, what the start says of it)
    let rows: [(&str, Plant, &str); 17] = [
        ("db", |it, path| link(STRANGER, &it.home.path().join("theirs"), path), of_stranger),
        ("db", |it, path| link(0, &it.home.path().join("theirs"), path), "theirs"),
        ("db", |it, path| link(STRANGER, &it.private(), path), of_stranger),
        ("db", |_, path| chown(path, Some(STRANGER), None).unwrap(), of_stranger),
        ("db", |_, path| fifo(path), "is not a pald store, so it was left alone"),
        ("db/db", |it, path| link(STRANGER, &it.private(), path), "is a symbolic link"),
        ("db/db", |it, path| link(0, &it.private(), path), "is a symbolic link"),
        ("db/db", |_, path| chown(path, Some(STRANGER), None).unwrap(), of_stranger),
        ("db/conf", |_, path| fifo(path), "is not a regular file"),
        (
            "db/snap.0000000000000001",
            |it, path| link(STRANGER, &it.private(), path),
            "is a symbolic link",
        ),
        ("db.lock", |it, path| link(STRANGER, &it.private(), path), "is a symbolic link"),
        ("db.record", |it, path| link(STRANGER, &it.private(), path), "is a symbolic link"),
        ("db.record.new", |it, path| link(STRANGER, &it.private(), path), "is a symbolic link"),
        ("db.revision", |it, path| link(STRANGER, &it.private(), path), "is a symbolic link"),
        (
            "db.new",
            |it, path| link(STRANGER, &it.home.path().join("theirs"), path),
            "is a symbolic link",
        ),
        ("dump", |it, path| link(STRANGER, &it.private(), path), of_stranger),
        (
            "db/db",
            |_, path| fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap(),
            "has mode 0666: others can change it",
        ),
    ];
    for (name, plant, says) in rows {
        let victim = Victim::new();
        plant(&victim, &victim.home.file(name));
        let message = match says {
            "theirs" => format!("~/theirs {of_stranger}"),
            says => format!("~/.pald/{name} {says}"),
        };
        victim.assert_refused(&format!("{name} {says}"), &[], &message);
    }
}

/// `cp -al` gives each file a second name, and the next start refused the store.
#[test]
fn a_second_name_is_refused_only_where_another_user_can_have_given_it() {
    if !is_root("make files of another user") {
        return;
    }
    let victim = Victim::new();
    let (store, backup) = (victim.home.file("db"), victim.home.path().join("backup"));
    fs::create_dir(&backup).unwrap();
    for name in ["db", "conf"] {
        fs::hard_link(store.join(name), backup.join(name)).unwrap();
        assert_eq!(fs::metadata(store.join(name)).unwrap().nlink(), 2);
    }
    let setting = fs::read_to_string("/proc/sys/fs/protected_hardlinks");
    if setting.is_ok_and(|setting| setting == "1\n") {
        let daemon = victim.home.start();
        assert_eq!(daemon.get("/get?service=shop").port(), victim.home.min);
        return;
    }
    remove(&store.join("db"));
    fs::hard_link(victim.private(), store.join("db")).unwrap();
    victim.assert_refused("linked", &[], "~/.pald/db/db has a second name, a hard link");
}

#[test]
fn a_folder_of_pald_s_that_is_a_strangers_link_is_not_made_private() {
    if !is_root("make files of another user") {
        return;
    }
    let victim = Victim::new();
    let open = victim.home.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    link(STRANGER, &open, &victim.home.path().join(".pald"));
    victim.assert_refused("~/.pald", &[], "~/.pald belongs to user 1234, not to you or root");
}

#[test]
fn a_store_in_a_shared_folder_is_safe_only_from_the_sticky_bit_on() {
    if !is_root("make files of another user") {
        return;
    }
    let victim = Victim::new();
    let shared = victim.home.path().join("shared");
    fs::create_dir(&shared).unwrap();
    let store = shared.join("db");
    let variables = [("PALD_DATA_DIR", store.as_path())];
    let mode = |mode| fs::set_permissions(&shared, Permissions::from_mode(mode)).unwrap();

    mode(0o777);
    victim.assert_refused("open", &variables, "~/shared has mode 0777: others can change it");
    mode(0o1777);
    chown(&shared, Some(STRANGER), None).unwrap();
    let of_stranger = "belongs to user 1234, not to you or root";
    victim.assert_refused("a stranger's", &variables, &format!("~/shared {of_stranger}"));
    chown(&shared, Some(0), None).unwrap();
    fs::write(shared.join("db.lock"), "").unwrap();
    chown(shared.join("db.lock"), Some(STRANGER), None).unwrap();
    victim.assert_refused("lock", &variables, &format!("~/shared/db.lock {of_stranger}"));
    fs::remove_file(shared.join("db.lock")).unwrap();
    fs::create_dir(&store).unwrap();
    chown(&store, Some(STRANGER), None).unwrap();
    victim.assert_refused("store", &variables, &format!("~/shared/db {of_stranger}"));
    fs::remove_dir(&store).unwrap();

    let mut command = victim.home.command();
    command.envs(variables).env("PALD_DUMP_FILE", shared.join("dump"));
    let daemon = victim.home.start_command(command);
    daemon.set("web").port();
    assert_eq!(daemon.stop().0, Some(0));
    assert!(store.join("db").exists());
}

/// The start has looked already, and then a store appears in a folder that all share.
#[test]
fn a_store_of_a_stranger_is_not_opened_whenever_it_came() {
    if !is_root("make files of another user") {
        return;
    }
    let victim = Victim::new();
    let theirs = victim.home.path().join("theirs");
    let before = victim.state();
    let error = Store::open(&theirs).map(drop).unwrap_err().to_string();
    assert!(error.ends_with("/theirs belongs to user 1234, not to you or root"), "{error}");
    assert_eq!(victim.state(), before);
}

/// The folder that was at `db.new` was removed, and somebody has made another one meanwhile.
#[test]
fn a_new_store_takes_nobodys_folder() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let home = Home::new(3);
    fs::create_dir_all(home.file("db.new")).unwrap();
    fs::write(home.file("db.new/theirs"), "").unwrap();
    let mut strace = Command::new("strace");
    home.prepare(&mut strace);
    // To pald, what it removes is gone. With -D, pald is our child, and can be ended if it serves.
    let removals = "inject=unlink,unlinkat,rmdir:retval=0";
    strace.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", removals, PALD]);
    strace.env("PATH", std::env::var_os("PATH").unwrap());
    let (code, stderr) = home.run(strace);
    assert_eq!(code, Some(74), "{stderr}");
    let expected = "Error: Can't use the store ~/.pald/db.new: File exists (os error 17)\n";
    assert!(stderr.contains(expected), "{stderr}");
    let names: Vec<_> = fs::read_dir(home.file("db.new")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(!home.file("db").exists());
}

/// The folder of a new store was renamed over the link, which failed.
#[test]
fn no_store_is_made_in_the_place_of_a_link() {
    let home = Home::new(3);
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, home.file("db")).unwrap();
    let refused = "Error: ~/.pald/db is a symbolic link, in whose place no store can be made\n\
                   hint: Set `data_dir` to the folder that it leads to, or put the store there back\n";
    let (code, stderr) = home.run(home.command());
    assert_eq!((code, stderr.as_str()), (Some(78), refused));
    assert!(!home.file("db.new").exists());
    let mut command = home.command();
    command.env("PALD_DATA_DIR", &elsewhere);
    drop(home.start_command(command));
    assert!(elsewhere.join("db").exists());
}

#[test]
fn what_is_the_users_own_may_be_linked_and_is_made_private() {
    let home = Home::new(3);
    drop(home.start());
    let elsewhere = home.path().join("elsewhere");
    fs::rename(home.file("db"), &elsewhere).unwrap();
    symlink(&elsewhere, home.file("db")).unwrap();
    fs::set_permissions(home.file(""), Permissions::from_mode(0o777)).unwrap();
    let daemon = home.start();
    daemon.set("shop").port();
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(home.file("db").is_symlink());
    assert!(log.contains("it is private now folder=~/.pald"), "{log}");
    assert_eq!(fs::metadata(home.file("")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_configuration_is_not_read_over_a_strangers_link() {
    if !is_root("make files of another user") {
        return;
    }
    let victim = Victim::new();
    let real = victim.home.path().join("real.toml");
    fs::write(&real, "hold_ports = false\n").unwrap();
    link(STRANGER, &real, &victim.home.file("config.toml"));
    let (code, stderr) = {
        let mut command = victim.home.command();
        command.args(["serve", "--check"]);
        victim.home.run(command)
    };
    let expected = "Error: ~/.pald/config.toml belongs to user 1234, not to you or root\n\
                    hint: Move it away, or name another file with `--config`\n";
    assert_eq!((code, stderr.as_str()), (Some(78), expected));
    link(0, &real, &victim.home.file("config.toml"));
    let mut command = victim.home.command();
    command.args(["serve", "--check"]);
    assert_eq!(victim.home.run(command), (Some(0), String::new()));
}

/// `install` took any program, and the doctor looked at files alone.
#[test]
fn a_program_that_others_can_change_is_no_service_and_a_fault() {
    let home = Home::new(3);
    let folder = home.path().join("bin");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("pald");
    if fs::hard_link(PALD, &program).is_err() {
        fs::copy(PALD, &program).unwrap();
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    fs::write(home.path().join("session"), "").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        home.prepare(&mut command);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bin");
        command.env("PATH", format!("{}:/usr/bin:/bin", scripts.display()));
        finish(command.args(arguments))
    };
    let (code, stdout, stderr) = run(&["install"]);
    assert_eq!((code, stdout.as_str()), (Some(4), ""));
    let unsafe_folder = "~/bin has mode 0777: others can change it";
    assert!(
        stderr.contains(&format!(
            "Error: The program can't be a service: {unsafe_folder}\nhint: chmod go-w ~/bin\n"
        )),
        "{stderr}"
    );
    assert!(!home.path().join(".config").exists() && !home.path().join("Library").exists());
    let (code, stdout, _) = run(&["doctor"]);
    assert_eq!(code, Some(1));
    let fault = format!("fault program  {unsafe_folder}\n      hint: chmod go-w ~/bin\n");
    assert!(stdout.contains(&fault), "{stdout}");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert!(!run(&["doctor"]).1.contains("fault program"));
}
