//! Mistakes on the command line, found before a daemon is asked.

use super::{pald, session};
use crate::daemon::Home;

#[test]
fn names_ports_and_addresses_are_checked_before_pald_is_asked() {
    let name = |shown: &str, found: &str| {
        format!("Error: Service name {shown} contains {found}; use letters, digits and . _ -\n")
    };
    let my_app = name(r#""my app""#, "a space") + "hint: Try `my-app`\n";
    let outside = "Error: Port 70000 is outside 1-65535\n".to_owned();
    let no_number = "Error: Port \"-1\" is not a plain number; use 1 to 65535 without sign, blanks or leading zeros\n".to_owned();
    let long = "a".repeat(1500);
    let rows: &[(&[&str], &String)] = &[
        (&["get", "my app"], &my_app),
        (&["set", "my app"], &my_app),
        (&["del", "my app"], &my_app),
        (&["env", "my app"], &my_app),
        (&["env", "PORT=my app"], &my_app),
        (&["run", "my app", "--", "true"], &my_app),
        (&["run", "shop", "-e", "A=my app", "--", "true"], &my_app),
        (&["get", "shop/"], &(name(r#""shop/""#, "a slash") + "hint: Try `shop`\n")),
        (&["get", ""], &"Error: Service name is empty; use 1 to 255 letters, digits and . _ -\n".to_owned()),
        (&["set", "shop", "--port", "70000"], &outside),
        (&["del", "--port", "70000"], &outside),
        (&["who", "70000"], &outside),
        (&["who", "-1"], &no_number),
        (&["set", "shop", "--port", "-1"], &no_number),
        (
            &["set", "shop", "--addr", &long, "--addr", &long],
            &"Error: Addresses are 3001 bytes long; at most 2048 are allowed\n".to_owned(),
        ),
        (
            &["set", "shop", "--addr", "a b"],
            &"Error: Addresses \"a b\" may contain only letters, digits and . : _ - and commas between them\n".to_owned(),
        ),
        (
            &["run", "shop", "-e", "PORT=db", "--", "true"],
            &"Error: Variable PORT is set twice\nhint: Choose another name, as in `WEB=shop.web`\n".to_owned(),
        ),
        (
            &["import", "--replace", "dump"],
            &"Error: `pald import --replace` can't ask for confirmation here\n\
              hint: Add `--yes`, or see what would change with `--dry-run`\n".to_owned(),
        ),
    ];
    let home = Home::new(1);
    for (arguments, expected) in rows {
        let (code, stdout, stderr) = pald(&home, arguments);
        assert_eq!(&stderr, *expected, "{arguments:?}");
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn a_malformed_command_line_is_answered_with_the_usage() {
    let home = Home::new(1);
    let rows: &[&[&str]] = &[
        &["frob"],
        &["get"],
        &["get", "a", "b"],
        &["get", "--colour"],
        &["del"],
        &["del", "a", "--port", "1"],
        &["run", "shop"],
        &["run", "shop", "npm", "start"],
        &["env", "-f", "cmd", "a"],
        &["import"],
        &["-q", "-v", "get", "a"],
        &["--color", "blue", "get", "a"],
    ];
    for arguments in rows {
        let (code, stdout, stderr) = pald(&home, arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains("--help"), "{stderr}");
    }
}

#[test]
fn each_command_has_help() {
    let home = Home::new(1);
    for command in ["serve", "get", "set", "del", "list", "who", "run", "env", "export", "import"] {
        let (code, help, stderr) = pald(&home, &["help", command]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{command}");
        assert!(help.contains("\nExample"), "{help}");
        assert!(
            help.contains(&format!("\n  pald {command}"))
                || command == "serve"
                || command == "get"
                || command == "env",
            "{help}"
        );
    }
}

#[test]
fn wrong_settings_end_a_command_with_the_same_error_as_the_start() {
    let home = Home::new(1);
    std::fs::write(home.file("config.toml"), "port_lisen = 1\n").unwrap();
    session(
        &home,
        "\
$ pald get shop; echo $?
Error: ~/.pald/config.toml:1:1: unknown key `port_lisen`
hint: Did you mean `port_listen`?
78
$ pald --config nothing.toml get shop; echo $?
Error: The configuration file nothing.toml does not exist
78
$ pald get shop --config /dev/null; echo $?
Error: /dev/null is not a regular file
78
",
    );
}
