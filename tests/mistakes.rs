//! Mistakes that end the start, each with one message and its exit code.

use std::fs;
use std::net::TcpListener;

use crate::daemon::Home;
use crate::faults::finish;

#[test]
fn a_mistake_in_the_configuration_ends_the_start_with_78() {
    let rows = [
        (
            "\n port_lisen = 1",
            "~/.pald/config.toml:2:2: unknown key `port_lisen`\nhint: Did you mean `port_listen`?\n",
        ),
        (
            "dump_file = 'dump'",
            "~/.pald/config.toml:1:13: dump_file is \"dump\", which is a relative path; it must be absolute or start with ~/, and name a file without ..\n",
        ),
        (
            "data_dir = 5",
            "~/.pald/config.toml:1:12: data_dir is 5; it must be a string: an absolute path, or one that starts with ~/\n",
        ),
        (
            "port_min = ",
            "~/.pald/config.toml:1:12: string values must be quoted, expected literal string\n",
        ),
    ];
    for (content, message) in rows {
        let home = Home::new(3);
        fs::write(home.file("config.toml"), content).unwrap();
        let (code, stderr) = home.run(home.command());
        assert_eq!((code, stderr), (Some(78), format!("Error: {message}")), "{content}");
        // Nothing was created.
        assert_eq!(fs::read_dir(home.file("")).unwrap().count(), 1);
    }
}

#[test]
fn a_mistake_in_a_variable_or_a_named_file_ends_the_start_with_78() {
    let home = Home::new(3);
    let mut command = home.command();
    command.env("PALD_PORT_MIN", "0");
    let message = "PALD_PORT_MIN: port_min is \"0\"; it must be an integer from 1 to 65535";
    assert_eq!(home.run(command), (Some(78), format!("Error: {message}\n")));

    let mut command = home.command();
    command.args(["--config", "/nowhere/pald.toml"]);
    let message = "The configuration file /nowhere/pald.toml does not exist";
    assert_eq!(home.run(command), (Some(78), format!("Error: {message}\n")));

    fs::write(home.file("named.toml"), "port_max = '7'").unwrap();
    let mut command = home.command();
    command.env("PALD_CONFIG", home.file("named.toml"));
    let message = "~/.pald/named.toml:1:12: port_max is \"7\"; it must be an integer from 1 to 65535\nhint: Remove the quotes";
    assert_eq!(home.run(command), (Some(78), format!("Error: {message}\n")));
}

#[test]
fn wrong_usage_ends_with_2_and_help_and_version_are_answers() {
    let home = Home::new(3);
    let pald = |argument| finish(home.command().arg(argument));
    let (code, stdout, _) = pald("--nonsense");
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    let version = format!("pald {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(pald("--version"), (Some(0), version, String::new()));
    let (code, stdout, _) = pald("--help");
    assert!(code == Some(0) && stdout.contains("--config <FILE>"), "{stdout}");
}

#[test]
fn a_second_pald_ends_with_4_and_names_the_holder() {
    let home = Home::new(3);
    let daemon = home.start();
    let holder = format!("(pid {}, version {})", daemon.pid(), env!("CARGO_PKG_VERSION"));
    let url = format!("http://127.0.0.1:{}", home.listen);

    let expected = format!(
        "Error: pald is already running {holder} at {url}\n\
         hint: See `pald status`\n"
    );
    assert_eq!(home.run(home.command()), (Some(4), expected));

    let mut command = home.command();
    command.env("PALD_DATA_DIR", home.file("db2"));
    let expected = format!(
        "Error: ~/.pald/dump is in use by pald {holder} at {url}\n\
         hint: Stop that program first, or set another `dump_file` or `data_dir`\n"
    );
    assert_eq!(home.run(command), (Some(4), expected));

    // A store has one lock, whichever path leads to it.
    std::os::unix::fs::symlink(home.file(""), home.path().join("other-way")).unwrap();
    let mut command = home.command();
    command.env("PALD_DATA_DIR", home.path().join("other-way/db"));
    command.env("PALD_DUMP_FILE", home.path().join("dump2"));
    assert_eq!(home.run(command).0, Some(4));
}

#[test]
fn a_taken_port_ends_the_start_with_4_on_either_address() {
    for address in ["127.0.0.1", "::1"] {
        let home = Home::new(3);
        let _stranger = TcpListener::bind((address, home.listen)).unwrap();
        let (code, stderr) = home.run(home.command());
        let start = format!("Error: Port {} on {address} is already in use", home.listen);
        assert!(stderr.starts_with(&start), "{stderr}");
        if cfg!(target_os = "linux") {
            let by = format!("(pid {})\nhint: Stop that program", std::process::id());
            assert!(stderr.contains(&by), "{stderr}");
        }
        assert_eq!(code, Some(4));
        assert!(!home.file("db").exists(), "a start that fails makes no store");
    }
}
