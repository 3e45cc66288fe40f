//! Checkouts as the real git makes them: the names and ports of each, and that they stay.

use std::fs;
use std::os::unix::fs::symlink;

use super::{SHOP, Workplace, is_there};
use crate::daemon::{PALD, wait_for_dump};
use crate::faults::{finish, run};

/// The full names of what `pald set` gives a folder.
fn names(workplace: &Workplace, folder: &str) -> String {
    let (code, _, stderr) = workplace.pald(folder, &["set"]);
    assert_eq!(code, Some(0), "{folder}: {stderr}");
    let answer = workplace.answer(folder, &["get", "web", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer["name"].as_str().unwrap().to_owned()
}

#[test]
fn each_kind_of_checkout_has_names_and_ports_that_stay() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(99);
    let lib = SHOP.replace("shop", "lib");
    workplace.repository("src/lib", &lib);
    workplace.repository("src/shop", SHOP);
    workplace.git("src", "clone -q shop b/shop");
    workplace.git("src", "clone -q shop c/other");
    workplace.git("src/shop", "worktree add -q ../shop-fix-login");
    workplace.git("src/shop", "worktree add -q -b inside inside/wt");
    workplace.git("src/shop", "worktree add -q --detach ../detached");
    workplace.git("src/shop", "worktree add -q ../d/shop");
    workplace.repository("src/origin", &SHOP.replace("shop", "tree"));
    workplace.git("src", "clone -q --bare origin bare.git");
    workplace.git("src/bare.git", "worktree add -q -b fix ../trees/first");
    workplace.git("src/bare.git", "worktree add -q ../trees/main main");
    workplace.git("src/bare.git", "worktree add -q --detach ../trees/third");
    workplace.git("src", "init -q --separate-git-dir kept apart");
    workplace.write("src/apart/pald.toml", &SHOP.replace("shop", "apart"));
    workplace.repository("src/super", &SHOP.replace("shop", "super"));
    workplace.git("src/super", "submodule --quiet add ../lib lib");
    workplace.git("src/super", "commit -qm lib");
    workplace.git("src/super", "worktree add -q ../super-wt");
    workplace.git("src/super-wt", "submodule --quiet update --init");
    workplace.write("src/plain/pald.toml", &SHOP.replace("shop", "plain"));
    workplace.write("src/copy/plain/pald.toml", &SHOP.replace("shop", "plain"));
    workplace.write("src/shop/apps/site/pald.toml", &SHOP.replace("shop", "site"));
    workplace.write("src/shop-fix-login/apps/site/pald.toml", &SHOP.replace("shop", "site"));
    symlink(workplace.folder("src/shop-fix-login"), workplace.folder("src/link")).unwrap();
    // (folder, the full name of web)
    let rows = [
        ("src/shop", "shop.web"),
        ("src/shop/.git/..", "shop.web"),
        ("src/shop-fix-login", "shop.fix-login.web"),
        ("src/link", "shop.fix-login.web"),
        ("src/shop/inside/wt", "shop.wt.web"),
        ("src/detached", "shop.detached.web"),
        ("src/b/shop", "shop.b.web"),
        ("src/c/other", "shop.other.web"),
        ("src/d/shop", "shop.d.web"),
        ("src/trees/first", "tree.first.web"),
        ("src/trees/main", "tree.web"),
        ("src/trees/third", "tree.third.web"),
        ("src/apart", "apart.web"),
        ("src/super", "super.web"),
        ("src/super/lib", "lib.web"),
        ("src/super-wt", "super.wt.web"),
        ("src/super-wt/lib", "lib.wt.web"),
        ("src/lib", "lib.src.web"),
        ("src/plain", "plain.web"),
        ("src/copy/plain", "plain.copy.web"),
        ("src/shop/apps/site", "site.web"),
        ("src/shop-fix-login/apps/site", "site.fix-login.web"),
    ];
    for (folder, name) in rows {
        assert_eq!(names(&workplace, folder), name, "{folder}");
    }
    let ports = |workplace: &Workplace| rows.map(|(folder, _)| workplace.answer(folder, &["set"]));
    let services = workplace.services();
    assert_eq!(
        services.len(),
        3 * (rows.len() - 2),
        "two of the folders are others by another path"
    );
    let before = ports(&workplace);
    let workplace = workplace.restart();
    assert_eq!(ports(&workplace), before, "after a restart");
    let workplace = restored(workplace);
    assert_eq!(ports(&workplace), before, "after a restore from the dump");
    assert_eq!(workplace.services(), services);
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

#[test]
fn a_checkout_keeps_its_ports_whatever_git_does_in_it() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    workplace.repository("src/shop", SHOP);
    workplace.git("src/shop", "worktree add -q ../fix");
    let ports = |folder: &str| workplace.answer(folder, &["set"]);
    let before = [ports("src/shop"), ports("src/fix")];
    workplace.git("src/fix", "switch -qc another");
    workplace.git("src/shop", "switch -qd main");
    assert_eq!([ports("src/shop"), ports("src/fix")], before);
    // A worktree that is made again in the same folder is the same checkout.
    workplace.git("src/shop", "worktree remove ../fix");
    workplace.git("src/shop", "worktree add -q ../fix main");
    assert_eq!(ports("src/fix"), before[1]);
    assert_eq!(names(&workplace, "src/fix"), "shop.fix.web");
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
    assert_eq!(names(&workplace, "src/login"), "shop.login.web");
    assert_eq!(workplace.services().len(), 9);
    fs::rename(workplace.folder("src/shop"), workplace.folder("src/moved")).unwrap();
    let before = workplace.revision();
    let (code, stdout, stderr) = workplace.pald("src/moved", &["set"]);
    let message = "\
Error: shop is registered for the checkout ~/src/shop, which is gone
hint: `pald prune` releases what is left of it
";
    assert_eq!((stderr.as_str(), code, stdout.as_str()), (message, Some(4), ""));
    assert_eq!(workplace.revision(), before);
    // Back in its place it has what it had.
    fs::rename(workplace.folder("src/moved"), workplace.folder("src/shop")).unwrap();
    assert_eq!(names(&workplace, "src/shop"), "shop.web");
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
    assert_eq!(names(&workplace, "src/fix"), "shop.fix.web");
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
