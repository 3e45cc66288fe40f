//! Checkouts as the real git makes them: the names and ports of each, and that they stay.

use std::fs;
use std::os::unix::fs::symlink;

use super::{SHOP, Workplace, is_there};
use crate::daemon::{PALD, wait_for_dump};
use crate::faults::{finish, run};

/// The full name of `web` and the ports of a checkout, which is set.
fn set(workplace: &Workplace, folder: &str) -> (String, String) {
    let ports = workplace.answer(folder, &["set"]);
    let answer = workplace.answer(folder, &["get", "web", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    (answer["name"].as_str().unwrap().to_owned(), ports)
}

/// The full name of `web` in a checkout, which is set.
fn name(workplace: &Workplace, folder: &str) -> String {
    set(workplace, folder).0
}

/// (what it is, folder, the full name of `web`), in the order in which they are set.
const CHECKOUTS: [(&str, &str, &str); 28] = [
    ("main", "src/shop", "shop.web"),
    ("main, by a path with `..`", "src/shop/.git/..", "shop.web"),
    ("linked worktree beside", "src/shop-fix-login", "shop.fix-login.web"),
    ("through a symbolic link", "src/link", "shop.fix-login.web"),
    ("linked worktree inside", "src/shop/inside/wt", "shop.wt.web"),
    ("branch switched", "src/switched", "shop.switched.web"),
    ("detached", "src/detached", "shop.detached.web"),
    ("second clone, called like the project", "src/b/shop", "shop.b.web"),
    ("second clone", "src/c/other", "shop.other.web"),
    ("worktree called like the project", "src/d/shop", "shop.d.web"),
    ("worktree whose label another has", "src/e/shop-detached", "shop.detached-2.web"),
    ("bare: another branch", "src/trees/first", "tree.first.web"),
    ("bare: the branch of its HEAD", "src/trees/main", "tree.web"),
    ("bare: detached", "src/trees/third", "tree.third.web"),
    ("repository kept apart", "src/apart", "apart.web"),
    ("worktree of one kept apart", "src/apart-wt", "apart.wt.web"),
    ("main with a submodule", "src/super", "super.web"),
    ("submodule", "src/super/lib", "lib.web"),
    ("worktree with a submodule", "src/super-wt", "super.wt.web"),
    ("submodule in a worktree", "src/super-wt/lib", "lib.wt.web"),
    ("the submodule's own clone", "src/lib", "lib.src.web"),
    ("monorepo: second file", "src/shop/apps/site", "site.web"),
    ("monorepo: second file, in a worktree", "src/shop-fix-login/apps/site", "site.fix-login.web"),
    ("its commit has no file", "src/early", "late.early.web"),
    ("removed and made again", "src/again", "shop.again.web"),
    ("after `git worktree move`", "src/moved", "shop.moved.web"),
    ("no git", "src/plain", "plain.web"),
    ("no git, a copy", "src/copy/plain", "plain.copy.web"),
];

fn make_checkouts(workplace: &Workplace) {
    let git = |folder: &str, line: &str| workplace.git(&format!("src/{folder}"), line);
    let project = |name: &str| SHOP.replace("shop", name);
    workplace.repository("src/lib", &project("lib"));
    workplace.repository("src/shop", SHOP);
    git("", "clone -q shop b/shop");
    git("", "clone -q shop c/other");
    for line in [
        "../shop-fix-login",
        "../switched",
        "../again",
        "../before-move",
        "-b inside inside/wt",
        "--detach ../detached",
        "--detach ../e/shop-detached",
        "-b d ../d/shop",
    ] {
        git("shop", &format!("worktree add -q {line}"));
    }
    workplace.repository("src/origin", &project("tree"));
    git("", "clone -q --bare origin bare.git");
    git("bare.git", "worktree add -q -b fix ../trees/first");
    git("bare.git", "worktree add -q ../trees/main main");
    git("bare.git", "worktree add -q --detach ../trees/third");
    git("", "init -q --separate-git-dir kept apart");
    workplace.write("src/apart/pald.toml", &project("apart"));
    git("apart", "add -A");
    git("apart", "commit -qm project");
    git("apart", "worktree add -q ../apart-wt");
    workplace.repository("src/super", &project("super"));
    git("super", "submodule --quiet add ../lib lib");
    git("super", "commit -qm lib");
    git("super", "worktree add -q ../super-wt");
    git("super-wt", "submodule --quiet update --init");
    for folder in ["shop", "shop-fix-login"] {
        workplace.write(&format!("src/{folder}/apps/site/pald.toml"), &project("site"));
    }
    workplace.write("src/late/file", "");
    git("late", "init -q");
    git("late", "add -A");
    git("late", "commit -qm file");
    git("late", "worktree add -q ../early");
    workplace.write("src/late/pald.toml", &project("late"));
    for folder in ["plain", "copy/plain"] {
        workplace.write(&format!("src/{folder}/pald.toml"), &project("plain"));
    }
    symlink(workplace.folder("src/shop-fix-login"), workplace.folder("src/link")).unwrap();
}

#[test]
fn each_kind_of_checkout_has_names_and_ports_that_stay() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(99);
    make_checkouts(&workplace);
    let before_move = set(&workplace, "src/before-move");
    workplace.git("src/shop", "worktree move ../before-move ../moved");
    let before = CHECKOUTS.map(|(_, folder, name)| {
        let found = set(&workplace, folder);
        assert_eq!(found.0, name, "{folder}");
        found
    });
    assert!(before.iter().all(|checkout| checkout.1 != before_move.1));
    workplace.git("src/switched", "switch -qc another");
    workplace.git("src/shop", "switch -qd main");
    workplace.git("src/shop", "worktree remove ../again");
    workplace.git("src/shop", "worktree add -q --detach ../again");
    let all = |workplace: &Workplace| CHECKOUTS.map(|(_, folder, _)| set(workplace, folder));
    assert_eq!(all(&workplace), before, "after what git did");
    let services = workplace.services();
    let checkouts = CHECKOUTS.len() + 1 - 2;
    assert_eq!(services.len(), 3 * checkouts, "two of the folders are others by another path");
    let workplace = workplace.restart();
    let restarted = all(&workplace);
    assert_eq!(restarted, before, "after a restart");
    let workplace = restored(workplace);
    let restored = all(&workplace);
    assert_eq!(restored, before, "after a restore from the dump");
    assert_eq!(workplace.services(), services);
    println!("{:40} {:20} {:36} {:36} restored", "checkout", "name of web", "ports", "restarted");
    for (((kind, _, name), before), (restarted, restored)) in
        CHECKOUTS.iter().zip(&before).zip(restarted.iter().zip(&restored))
    {
        println!("{kind:40} {name:20} {:36} {:36} {}", before.1, restarted.1, restored.1);
    }
}

/// Loses the store, so that the daemon's next start takes the dump.
fn restored(workplace: Workplace) -> Workplace {
    let revision = workplace.revision();
    wait_for_dump(&workplace.home, |dump| dump.contains(&format!("revision={revision} ")));
    let Workplace { home, daemon } = workplace;
    daemon.stop();
    fs::remove_dir_all(home.file("db")).unwrap();
    let daemon = home.start();
    assert!(daemon.log().contains("dump"), "{}", daemon.log());
    Workplace { home, daemon }
}

/// What `git worktree move` leaves behind is in nobody's way; a moved main checkout is told, since it
/// would lose its ports otherwise.
#[test]
fn a_checkout_that_moves_is_another_one() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    workplace.repository("src/shop", SHOP);
    workplace.git("src/shop", "worktree add -q ../fix");
    for folder in ["src/shop", "src/fix"] {
        workplace.answer(folder, &["set"]);
    }
    workplace.git("src/shop", "worktree move ../fix ../login");
    assert_eq!(name(&workplace, "src/login"), "shop.login.web");
    assert_eq!(workplace.services().len(), 9);
    // Another worktree where the one was that is gone takes its place.
    workplace.git("src/shop", "worktree add -q --detach ../b/fix");
    let gone = |folder: &str| {
        format!(
            "Error: shop is registered for the checkout ~/src/{folder}, which is gone\n\
             hint: `pald prune` releases what is left of it\n"
        )
    };
    let (code, _, stderr) = workplace.pald("src/b/fix", &["set"]);
    assert_eq!((stderr, code), (gone("fix"), Some(4)));
    fs::rename(workplace.folder("src/shop"), workplace.folder("src/moved")).unwrap();
    let before = workplace.revision();
    let (code, stdout, stderr) = workplace.pald("src/moved", &["set"]);
    assert_eq!((stderr, code, stdout.as_str()), (gone("shop"), Some(4), ""));
    assert_eq!(workplace.revision(), before);
    // Back in its place it has what it had.
    fs::rename(workplace.folder("src/moved"), workplace.folder("src/shop")).unwrap();
    assert_eq!(name(&workplace, "src/shop"), "shop.web");
    assert_eq!(workplace.revision(), before);
    // Once what is left of it is released, it has its ports at its new place.
    let ports = workplace.answer("src/shop", &["set"]);
    fs::rename(workplace.folder("src/shop"), workplace.folder("src/moved")).unwrap();
    workplace.answer("src", &["prune", "--yes"]);
    assert_eq!(workplace.answer("src/moved", &["set"]), ports);
}

#[test]
fn a_worktree_without_a_file_uses_that_of_the_main_checkout() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    workplace.write("src/shop/apps/web/file", "");
    workplace.git("src/shop", "init -q");
    workplace.git("src/shop", "add -A");
    workplace.git("src/shop", "commit -qm files");
    workplace.git("src/shop", "worktree add -q ../fix");
    workplace.write("src/shop/pald.toml", SHOP);
    let said =
        |file: &str| format!("pald: this worktree has no pald.toml; using ~/src/shop/{file}\n");
    let (code, stdout, stderr) = workplace.pald("src/fix/apps/web", &["set", "web"]);
    assert_eq!((code, stderr), (Some(0), said("pald.toml")), "{stdout}");
    assert_eq!(workplace.services(), ["shop.fix.web=1"]);
    // The place below the top is the same.
    workplace.write("src/shop/apps/web/pald.toml", &SHOP.replace("shop", "site"));
    let (code, _, stderr) = workplace.pald("src/fix/apps/web", &["set", "web"]);
    assert_eq!((code, stderr), (Some(0), said("apps/web/pald.toml")));
    assert_eq!(workplace.services(), ["shop.fix.web=1", "site.fix.web=2"]);
    let (_, _, stderr) = workplace.pald("src/fix/apps/web", &["-q", "get", "web"]);
    assert_eq!(stderr, "");
}

#[test]
fn a_monorepo_has_a_project_for_each_file() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    let site = "project = \"site\"\n[services]\nweb = {}\n[env]\nDB = \"localhost:{db}\"\nAT = \"{checkout}\"\n";
    workplace.write("src/shop/apps/site/pald.toml", site);
    workplace.repository("src/shop", SHOP);
    workplace.git("src/shop", "worktree add -q ../shop-fix");
    // A name that the nearest file lacks is looked for above; what is needed of that project is set.
    let folder = "src/shop-fix/apps/site";
    let line = "echo $PORT $DB $AT";
    let (code, stdout, stderr) = workplace.pald(folder, &["run", "web", "--", "sh", "-c", line]);
    assert_eq!(code, Some(0), "{stderr}");
    let port = |number: u16| workplace.home.listen + number;
    assert_eq!(stdout, format!("{} localhost:{} site-fix\n", port(1), port(4)));
    let expected = ["site.fix.web=1", "shop.fix.web=2", "shop.fix.api=3", "shop.fix.db=4"];
    assert_eq!(workplace.services(), expected);
    assert_eq!(workplace.answer(folder, &["get", "web"]), port(1).to_string());
    assert_eq!(workplace.answer(folder, &["get", "api"]), port(3).to_string());
    assert_eq!(workplace.answer("src/shop-fix", &["get", "web"]), port(2).to_string());
    assert_eq!(workplace.answer("src/shop-fix", &["list", "--here"]).matches(".fix.").count(), 4);
}

#[test]
fn a_second_repository_with_the_name_of_a_project_is_told() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    workplace.repository("src/shop", SHOP);
    workplace.repository("src/b/shop", SHOP);
    let (code, _, stderr) = workplace.pald("src/shop", &["set"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let told =
        "pald: another checkout in ~/src/shop has the project shop; this one has the label b\n";
    let (code, _, stderr) = workplace.pald("src/b/shop", &["set"]);
    assert_eq!((code, stderr.as_str()), (Some(0), told));
    // Once.
    let (code, _, stderr) = workplace.pald("src/b/shop", &["set"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_main_checkout_adopts_what_was_registered_by_hand() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    workplace.repository("src/shop", SHOP);
    workplace.git("src/shop", "worktree add -q ../fix");
    let port = workplace.answer("src", &["set", "shop.db"]);
    assert_eq!(workplace.answer("src/shop", &["get", "db"]), port);
    workplace.answer("src/fix", &["set"]);
    workplace.answer("src/shop", &["set"]);
    assert_eq!(workplace.answer("src/shop", &["get", "db"]), port);
    assert_eq!(workplace.answer("src/shop", &["list", "--here"]).matches("shop.").count(), 3);
    assert_eq!(name(&workplace, "src/fix"), "shop.fix.web");
}

/// Paths that shells, terminals, JSON and the dump each have trouble with.
#[test]
fn any_path_that_git_takes_is_a_checkout() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    let paths: [(&[u8], &str); 4] = [
        (b"my shop's", "shop.my-shop-s.web"),
        ("größe".as_bytes(), "shop.gr-e.web"),
        (b"a\nb", "shop.a-b.web"),
        (b"\xff\xfe", "shop.checkout.web"),
    ];
    workplace.repository("src/shop", SHOP);
    workplace.answer("src/shop", &["set"]);
    for (name, expected) in paths {
        let folder = workplace.folder("src").join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("pald.toml"), SHOP).unwrap();
        run(workplace.command("git", &folder).args(["init", "-q"]));
        let mut set = workplace.command(PALD, &folder);
        let (code, stdout, said) = finish(set.args(["set", "web", "--json"]));
        assert_eq!(code, Some(0), "{name:?}: {said}");
        let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(answer["name"], expected);
    }
    let services = workplace.services();
    let workplace = restored(workplace);
    assert_eq!(workplace.services(), services);
}

/// A project that a checkout with a long label sets too was refused: its number made the label longer
/// than the daemon takes.
#[test]
fn a_label_belongs_to_the_checkout() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    let long = "l".repeat(60);
    workplace.repository("src/shop", SHOP);
    let site = SHOP.replace("shop", "site");
    for folder in ["b", "c"] {
        workplace.git("src/shop", &format!("worktree add -q --detach ../{folder}/{long}"));
        workplace.write(&format!("src/{folder}/{long}/site/pald.toml"), &site);
    }
    let label = "l".repeat(40);
    for (folder, expected) in [
        (format!("src/b/{long}"), format!("shop.{label}.web")),
        (format!("src/c/{long}"), format!("shop.{label}-2.web")),
        // The label is free for this project, but the checkout has one.
        (format!("src/c/{long}/site"), format!("site.{label}-2.web")),
        (format!("src/b/{long}/site"), format!("site.{label}.web")),
    ] {
        assert_eq!(name(&workplace, &folder), expected);
    }
    // Where another folder has it for one of the projects, that project takes its own next one.
    workplace.write("src/fix/pald.toml", &SHOP.replace("shop", "main"));
    workplace.answer("src/fix", &["set"]);
    workplace.repository("src/second", &SHOP.replace("shop", "two"));
    workplace.write("src/second/main/pald.toml", &SHOP.replace("shop", "main"));
    let (_, _, stderr) = workplace.pald("src/second", &["set"]);
    assert_eq!(stderr, "");
    let (_, _, stderr) = workplace.pald("src/second/main", &["set"]);
    let told =
        "pald: another checkout in ~/src/fix has the project main; this one has the label second\n";
    assert_eq!(stderr, told);
    // Its label is no other repository's fault.
    workplace.write("src/second/other/pald.toml", &SHOP.replace("shop", "other"));
    workplace.answer("src/second", &["del", "two.web"]);
    workplace.answer("src/second", &["del", "two.api"]);
    workplace.answer("src/second", &["del", "two.db"]);
    let (code, _, stderr) = workplace.pald("src/second/other", &["set"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(name(&workplace, "src/second/other"), "other.second.web");
}
