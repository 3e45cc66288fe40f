use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use super::*;

/// A home with a user's file and a system file in a temporary folder.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home/.pald")).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn load(
        &self,
        file: Option<PathBuf>,
        variables: &[(&str, &str)],
    ) -> Result<Config, ConfigError> {
        Config::load(&Sources {
            paths: Paths {
                system_file: self.folder.path().join("system.toml"),
                home: Some(self.folder.path().join("home")),
            },
            file,
            variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        })
    }

    /// The error with the machine's folder cut out, and its hint.
    fn error(&self, file: Option<PathBuf>, variables: &[(&str, &str)]) -> (String, Option<String>) {
        let error = self.load(file, variables).unwrap_err();
        let folder = format!("{}/", files::Shown(self.folder.path()));
        (error.to_string().replace(&folder, ""), error.hint())
    }
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

#[test]
fn without_any_file_the_defaults_hold() {
    let machine = Machine::new();
    let home = machine.folder.path().join("home");
    let config = machine.load(None, &[("HOME", "/elsewhere"), ("PATH", "")]).unwrap();
    let expected = Config {
        port_listen: port(49200),
        port_range: PortRange::new(port(49201), port(49999)).unwrap(),
        dump_file: home.join(".pald/dump"),
        data_dir: home.join(".pald/db"),
        hold_ports: true,
        allow_users: Users::default(),
        allowed_hosts: vec![],
        daemon_user: Users::default(),
        unknown_variables: vec![],
    };
    assert_eq!(config, expected);
}

#[test]
fn a_later_layer_wins_key_by_key() {
    let machine = Machine::new();
    machine.write("system.toml", "port_listen = 1001\nport_min = 1002\nport_max = 1003\n");
    machine.write("home/.pald/config.toml", "port_min = 2002\nport_max = 2003\n");
    let named = machine.write("named.toml", "port_max = 0xBB8 # 3000\ndump_file = '~/d'\n");
    let named_by_variable = [("PALD_CONFIG", named.to_str().unwrap())];
    // (--config, environment, listen, range)
    let rows: &[(Option<PathBuf>, &[(&str, &str)], u16, (u16, u16))] = &[
        (None, &[], 1001, (2002, 2003)),
        (None, &[("PALD_PORT_MAX", "4003")], 1001, (2002, 4003)),
        (Some(named.clone()), &[], 1001, (1002, 3000)),
        (None, &named_by_variable, 1001, (1002, 3000)),
        (None, &[("PALD_CONFIG", "~/.pald/config.toml")], 1001, (2002, 2003)),
        (
            Some(named.clone()),
            &[("PALD_CONFIG", "/nowhere"), ("PALD_PORT_LISTEN", "9")],
            9,
            (1002, 3000),
        ),
    ];
    for (file, variables, listen, (min, max)) in rows {
        let config = machine.load(file.clone(), variables).unwrap();
        assert_eq!(config.port_listen, port(*listen), "{variables:?}");
        assert_eq!(config.port_range, PortRange::new(port(*min), port(*max)).unwrap());
    }
    let config = machine.load(Some(named), &[]).unwrap();
    assert_eq!(config.dump_file, machine.folder.path().join("home/d"));
}

#[test]
fn a_mistake_in_a_file_is_named_with_its_place_and_what_is_allowed() {
    let ports = "it must be an integer from 1 to 65535";
    let paths = "it must be a string: an absolute path, or one that starts with ~/";
    let rows: &[(&str, String, Option<&str>)] = &[
        ("\n\nport_lisen = 1", "c:3:1: unknown key `port_lisen`".into(), Some("Did you mean `port_listen`?")),
        ("[server]\nx = 1", "c:1:2: unknown key `server`".into(), Some("The keys are port_listen, port_min, port_max, dump_file, data_dir, hold_ports, allow_users, allowed_hosts, daemon_user")),
        ("port_min = \"49201\"", format!("c:1:12: port_min is \"49201\"; {ports}"), Some("Remove the quotes")),
        ("port_min = 49201.4", format!("c:1:12: port_min is 49201.4; {ports}"), None),
        ("port_min = true", format!("c:1:12: port_min is true; {ports}"), None),
        ("  port_max = 0", format!("c:1:14: port_max is 0; {ports}"), None),
        ("port_max = -1", format!("c:1:12: port_max is -1; {ports}"), None),
        ("port_max = 65536", format!("c:1:12: port_max is 65536; {ports}"), None),
        ("port_max = 99999999999999999999", format!("c:1:12: port_max is 99999999999999999999; {ports}"), None),
        ("hold_ports = 'false'", "c:1:14: hold_ports is \"false\"; it must be true or false".into(), None),
        ("hold_ports = 0", "c:1:14: hold_ports is 0; it must be true or false".into(), None),
        ("port_max = []", format!("c:1:12: port_max is []; {ports}"), None),
        ("dump_file = 7", format!("c:1:13: dump_file is 7; {paths}"), None),
        ("dump_file = ''", "c:1:13: dump_file is \"\", which is empty; it must be absolute or start with ~/, and name a file without ..".into(), None),
        ("dump_file = 'dump'", "c:1:13: dump_file is \"dump\", which is a relative path; it must be absolute or start with ~/, and name a file without ..".into(), None),
        ("data_dir = '../x'", "c:1:12: data_dir is \"../x\", which is a relative path; it must be absolute or start with ~/, and name a file without ..".into(), None),
        ("port_min = 50000", "port_min (50000, c:1:12) is above port_max (49999, the default)".into(), Some("Raise port_max or lower port_min")),
        ("port_min = 7\nport_max = 7\nport_listen = 7", "c:1:12: the range 7-7 contains only port_listen; it must contain another port".into(), None),
        ("dump_file = '/a/b'\ndata_dir = '/a/b'", "c:1:13: dump_file (/a/b) and data_dir (/a/b) are the same path".into(), None),
        ("dump_file = '/a/b/c'\ndata_dir = '/a/b'", "c:1:13: dump_file (/a/b/c) and data_dir (/a/b) must not contain each other: dump_file is inside data_dir".into(), None),
        ("allow_users = 'ann'", "c:1:15: allow_users is \"ann\"; it must be a list of users, each by name or number, or [\"*\"] for anybody".into(), None),
        ("allow_users = [true]", "c:1:15: allow_users is [true]; it must be a list of users, each by name or number, or [\"*\"] for anybody".into(), None),
        ("\nallow_users = ['root', 'no such user']", "c:2:15: allow_users: there is no user \"no such user\" on this machine".into(), None),
        ("allow_users = ['*', 0]", "c:1:15: allow_users: \"*\" means anybody and must be the only entry".into(), None),
        ("allow_users = [4294967296]", "c:1:15: allow_users: there is no user \"4294967296\" on this machine".into(), None),
        ("daemon_user = [7]", "c:1:15: daemon_user is [7]; it must be a user, by name or number".into(), None),
        ("\ndaemon_user = 'no such user'", "c:2:15: daemon_user: there is no user \"no such user\" on this machine".into(), None),
        ("daemon_user = '*'", "c:1:15: daemon_user: there is no user \"*\" on this machine".into(), None),
        ("daemon_user = 65534", "c:1:15: daemon_user: user 65534 stands for unknown users and can't be allowed".into(), None),
        ("allowed_hosts = ['a', 'b:80']", "c:1:17: allowed_hosts is \"b:80\"; it must be a list of host names without ports".into(), None),
        ("allowed_hosts = [1]", "c:1:17: allowed_hosts is [1]; it must be a list of host names without ports".into(), None),
        ("dump_file = '/a/db.lock'\ndata_dir = '/a/db'", "c:1:13: dump_file (/a/db.lock) and data_dir (/a/db) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/db.revision'\ndata_dir = '/a/db'", "c:1:13: dump_file (/a/db.revision) and data_dir (/a/db) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/db.record'\ndata_dir = '/a/db'", "c:1:13: dump_file (/a/db.record) and data_dir (/a/db) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/db.record.new'\ndata_dir = '/a/db'", "c:1:13: dump_file (/a/db.record.new) and data_dir (/a/db) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/db.damaged-dump'\ndata_dir = '/a/db'", "c:1:13: dump_file (/a/db.damaged-dump) and data_dir (/a/db) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/dump'\ndata_dir = '/a/dump.kept-db'", "c:1:13: dump_file (/a/dump) and data_dir (/a/dump.kept-db) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/dump'\ndata_dir = '/a/dump.new'", "c:1:13: dump_file (/a/dump) and data_dir (/a/dump.new) would overwrite each other: pald adds suffixes such as .lock to both names".into(), None),
        ("dump_file = '/a/db/../dump'", "c:1:13: dump_file is \"/a/db/../dump\", which contains ..; it must be absolute or start with ~/, and name a file without ..".into(), None),
        ("allowed_hosts = ['[fe80]']", "c:1:17: allowed_hosts is \"[fe80]\"; it must be a list of host names without ports".into(), None),
        ("port_min 1", "c:1:10: key with no value, expected `=`".into(), None),
        ("port_min = 1\nport_min = 2", "c:2:1: duplicate key".into(), None),
        ("a = \"\u{e9}\n", "c:1:7: invalid basic string, expected `\"`".into(), None),
    ];
    for (content, message, hint) in rows {
        let machine = Machine::new();
        let file = machine.write("c", content);
        let (found, found_hint) = machine.error(Some(file), &[]);
        assert_eq!(&found, message, "{content:?}");
        assert_eq!(found_hint.as_deref(), *hint, "{content:?}");
    }
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let machine = Machine::new();
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[("PALD_PORT_MIN", "abc")],
            "PALD_PORT_MIN: port_min is \"abc\"; it must be an integer from 1 to 65535",
        ),
        (
            &[("PALD_PORT_MIN", "")],
            "PALD_PORT_MIN: port_min is \"\"; it must be an integer from 1 to 65535",
        ),
        (
            &[("PALD_PORT_MIN", "1e3")],
            "PALD_PORT_MIN: port_min is \"1e3\"; it must be an integer from 1 to 65535",
        ),
        (
            &[("PALD_PORT_MIN", "70000")],
            "PALD_PORT_MIN: port_min is \"70000\"; it must be an integer from 1 to 65535",
        ),
        (
            &[("PALD_DUMP_FILE", "true")],
            "PALD_DUMP_FILE: dump_file is \"true\", which is a relative path; it must be absolute or start with ~/, and name a file without ..",
        ),
        (
            &[("PALD_DUMP_FILE", "")],
            "PALD_DUMP_FILE: dump_file is \"\", which is empty; it must be absolute or start with ~/, and name a file without ..",
        ),
        (
            &[("PALD_PORT_MAX", "5")],
            "port_min (49201, the default) is above port_max (5, PALD_PORT_MAX)",
        ),
        (
            &[("PALD_HOLD_PORTS", "no")],
            "PALD_HOLD_PORTS: hold_ports is \"no\"; it must be true or false",
        ),
        (
            &[("PALD_CONFIG", "/nowhere/at/all")],
            "The configuration file /nowhere/at/all does not exist",
        ),
        // It is named from the working folder, and was once ignored.
        (
            &[("PALD_CONFIG", "nowhere/at/all")],
            "The configuration file nowhere/at/all does not exist",
        ),
        (&[("PALD_CONFIG", "")], "The configuration file  does not exist"),
    ];
    for (variables, message) in rows {
        assert_eq!(machine.error(None, variables).0, *message);
    }
}

#[test]
fn a_variable_that_pald_reads_is_text() {
    let machine = Machine::new();
    let load = |name: &str| {
        Config::load(&Sources {
            paths: Paths { system_file: machine.folder.path().join("none"), home: None },
            file: None,
            variables: vec![(name.into(), OsString::from_vec(vec![0xff]))],
        })
    };
    for name in ["PALD_CONFIG", "PALD_DUMP_FILE"] {
        assert_eq!(load(name).unwrap_err().to_string(), format!("{name} is not UTF-8"));
    }
    // Without a home folder, it is the default places that are missing.
    let homeless = "the default: dump_file is \"~/.pald/dump\", which starts with ~, but no home folder is known; it must be absolute or start with ~/, and name a file without ..";
    for name in ["PALD_URL", "PALD_OTHER", "OTHER"] {
        assert_eq!(load(name).unwrap_err().to_string(), homeless);
    }
}

#[test]
fn holds_are_switched_off_in_a_file_or_by_a_variable() {
    let machine = Machine::new();
    let file = machine.write("c", "hold_ports = false");
    let holds = |file: Option<&PathBuf>, value: Option<&str>| {
        let variables: Vec<_> = value.map(|it| ("PALD_HOLD_PORTS", it)).into_iter().collect();
        machine.load(file.cloned(), &variables).unwrap().hold_ports
    };
    assert!(!holds(Some(&file), None));
    assert!(!holds(None, Some("false")));
    assert!(holds(Some(&file), Some("true")));
}

#[test]
fn lists_come_from_files_and_from_variables() {
    let machine = Machine::new();
    let file =
        machine.write("c", "allow_users = ['root', 1234]\nallowed_hosts = ['Pald.Test', '[::2]']");
    let config = machine.load(Some(file.clone()), &[]).unwrap();
    assert_eq!(config.allow_users, Users::parse(["0", "1234"].into_iter()).unwrap());
    assert_eq!(config.allowed_hosts, ["Pald.Test", "[::2]"]);
    // Such an address was once kept without brackets, so no Host header could match it.
    let bare = machine.write("bare", "allowed_hosts = ['::2']");
    assert_eq!(machine.load(Some(bare), &[]).unwrap().allowed_hosts, ["[::2]"]);
    let variables = [("PALD_ALLOW_USERS", "1234, root,"), ("PALD_ALLOWED_HOSTS", "a")];
    let config = machine.load(Some(file), &variables).unwrap();
    assert_eq!(config.allow_users, Users::parse(["0", "1234"].into_iter()).unwrap());
    assert_eq!(config.allowed_hosts, ["a"]);
    let config = machine.load(None, &[("PALD_ALLOW_USERS", "*")]).unwrap();
    assert_eq!(config.allow_users, Users::Anybody);
    let config = machine.load(None, &[("PALD_ALLOW_USERS", "")]).unwrap();
    assert_eq!(config.allow_users, Users::default());
}

#[test]
fn the_user_of_the_daemon_is_one_user_by_name_or_number() {
    let machine = Machine::new();
    let users = |user: u32| Users::Only([user].into());
    // (file, variable, users)
    let rows = [
        ("daemon_user = 'root'", None, users(0)),
        ("daemon_user = '1234'", None, users(1234)),
        ("daemon_user = 1234", None, users(1234)),
        ("daemon_user = 1234", Some("root"), users(0)),
        ("daemon_user = 1234", Some(""), Users::default()),
        ("daemon_user = ''", None, Users::default()),
    ];
    for (file, variable, expected) in rows {
        let path = machine.write("c", file);
        let variables: Vec<_> = variable.map(|it| ("PALD_DAEMON_USER", it)).into_iter().collect();
        assert_eq!(machine.load(Some(path), &variables).unwrap().daemon_user, expected, "{file}");
    }
    let (message, _) = machine.error(None, &[("PALD_DAEMON_USER", "no such user")]);
    let expected =
        "PALD_DAEMON_USER: daemon_user: there is no user \"no such user\" on this machine";
    assert_eq!(message, expected);
}

#[test]
fn an_unknown_variable_is_reported_and_does_no_harm() {
    let machine = Machine::new();
    // What pald itself sets for the commands that it runs is known.
    let variables = [("PALD_PORT_LISEN", "1"), ("PALDX", "2"), ("PALD_SERVICE", "shop.web")];
    let config = machine.load(None, &variables).unwrap();
    assert_eq!(config.unknown_variables, ["PALD_PORT_LISEN"]);
    assert_eq!(config.port_listen, port(49200));
}

#[test]
fn a_file_that_is_not_text_is_refused_with_its_name() {
    let machine = Machine::new();
    let file = machine.write("c", b"# fine\nport_min = 1 # \xff");
    assert_eq!(machine.error(Some(file), &[]).0, "c:2:16: the file is not UTF-8");
    let file = machine.write("c", [b"#".repeat(65537), b"\n".to_vec()].concat());
    assert_eq!(machine.error(Some(file), &[]).0, "c:1:1: the line is longer than 65536 bytes");
    let file = machine.write("c", b"#\n".repeat(600_000));
    assert_eq!(machine.error(Some(file), &[]).0, "c is larger than 1048576 bytes");
    let folder = machine.folder.path().join("home");
    assert_eq!(machine.error(Some(folder), &[]).0, "home is not a regular file");
}

/// The example in the repository is copied by new users, so it must be exact.
#[test]
fn the_example_documents_every_key_with_its_default() {
    let example = include_str!("../../pald.toml.example");
    let settings: Vec<_> = example
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| KEYS.iter().any(|key| line.starts_with(&format!("{} = ", key.name))))
        .collect();
    let names: Vec<_> = settings.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, KEYS.map(|key| key.name));

    let machine = Machine::new();
    let unchanged = machine.write("example.toml", example);
    let uncommented = machine.write("uncommented.toml", settings.join("\n"));
    let defaults = machine.load(None, &[]).unwrap();
    assert_eq!(machine.load(Some(unchanged), &[]).unwrap(), defaults);
    assert_eq!(machine.load(Some(uncommented), &[]).unwrap(), defaults);
}
