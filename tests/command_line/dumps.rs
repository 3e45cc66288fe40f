//! Dumps out of and into a running pald.

use std::os::unix::fs::PermissionsExt as _;

use super::{pald, session, shell};
use crate::daemon::Home;

#[test]
fn an_import_reports_its_changes_and_a_dry_run_makes_none() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ printf 'shop.web 49203\\nshop.db 5432 127.0.0.1\\n' > dump; pald import dump --dry-run
+ shop.web
+ shop.db
2 added, 0 changed, 0 released, 0 unchanged
$ pald -q get shop.web; echo $?
Error: shop.web is not registered
1
$ pald import dump; echo $?
2 added, 0 changed, 0 released, 0 unchanged
0
$ pald get shop.web; pald set extra
49203
49201
$ pald import - < dump
0 added, 0 changed, 0 released, 3 unchanged
$ pald import --replace dump; echo $?
Error: `pald import --replace` can't ask for confirmation here
hint: Add `--yes`, or see what would change with `--dry-run`
2
$ printf 'shop.web 49203\\nshop.db 49204\\n' > dump; pald import --replace dump --dry-run
~ shop.db
- extra
0 added, 1 changed, 1 released, 1 unchanged
$ pald import --replace --yes dump -v
~ shop.db
- extra
0 added, 1 changed, 1 released, 1 unchanged
$ pald get shop.db; pald -q get extra; echo $?
49204
Error: extra is not registered
1
",
    );
}

#[test]
fn a_bad_or_conflicting_dump_changes_nothing() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop
49201
$ printf 'a 49202\\nb 70000\\na 49203\\n' > bad; pald import bad; echo $?
Error: bad:2: port 70000 is outside 1-65535
bad:3: service a is already on port 49202 in line 1
The dump has 2 bad lines; nothing was imported
hint: Fix the dump and import it again
65
$ pald import - < bad; echo $?
Error: -:2: port 70000 is outside 1-65535
-:3: service a is already on port 49202 in line 1
The dump has 2 bad lines; nothing was imported
hint: Fix the dump and import it again
65
$ echo 'b 70000' | pald import -; echo $?
Error: -:1: port 70000 is outside 1-65535; nothing was imported
hint: Fix the dump and import it again
65
$ pald import nothing; echo $?
Error: Can't read nothing: No such file or directory (os error 2)
74
$ head -c 16777217 /dev/zero > large; pald import large; echo $?
Error: large is larger than 16777216 bytes, the maximum for a dump; nothing was imported
65
$ printf 'new 49205\\nshop 49202\\n' > other; pald import other; echo $?
Error: shop is registered on port 49201, not 49202; nothing was imported
hint: Release these services first, or replace the registry with `pald import --replace`
4
$ printf 'new 49205\\nweb 49200\\n' > own; pald import own; echo $?
Error: web can't have port 49200, where pald itself listens; nothing was imported
hint: Remove it from the dump, or set another `port_listen`
4
$ pald list --json | grep -c '\"name\"'
1
",
    );
}

#[test]
fn an_export_is_private_and_can_be_imported_elsewhere() {
    let [one, other] = [Home::new(9), Home::new(9)];
    let (one_daemon, _other_daemon) = (one.start(), other.start());
    shell(&one, "pald set shop.web --port 5000; pald set shop.db --port 5001 --addr 127.0.0.1");
    let file = one.path().join("export.dump");
    let name = file.display().to_string();
    for _ in 0..2 {
        assert_eq!(pald(&one, &["export", &name]), (Some(0), String::new(), String::new()));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (_, to_stdout, _) = pald(&one, &["export"]);
    assert_eq!(to_stdout, std::fs::read_to_string(&file).unwrap());
    assert_eq!(to_stdout, one_daemon.get("/v1/dump").body);
    assert_eq!(pald(&one, &["export", "-"]).1, to_stdout);
    let (code, stdout, stderr) = pald(&other, &["import", &name]);
    assert_eq!(stdout, "2 added, 0 changed, 0 released, 0 unchanged\n", "{stderr}");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(shell(&other, "pald get shop.web; pald get shop.db"), "5000\n5001\n");
}

#[test]
fn an_export_replaces_only_regular_files() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop > /dev/null; pald export /dev/null; echo $?
Error: /dev/null is not a regular file
hint: Leave the file out to write to stdout
2
$ mkdir folder; pald -q export folder; echo $?
Error: folder is not a regular file
2
$ pald export missing/file; echo $?
Error: Can't write missing/file: No such file or directory (os error 2)
74
$ : > real; ln -s real link; pald -q export link; echo $?; cat real
Error: link is not a regular file
2
$ echo mine > ports.new; : > ports; pald export ports; cat ports.new; grep -c shop ports
mine
1
",
    );
}
