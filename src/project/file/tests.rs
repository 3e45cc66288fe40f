use proptest::prelude::*;

use super::*;

fn parse(content: &str) -> Result<ProjectFile, ProjectError> {
    ProjectFile::parse(Path::new("pald.toml"), content.as_bytes(), &[])
}

/// A service as (name, prefer, variable, whether it is shared).
type Row<'a> = (&'a str, Option<u16>, &'a str, bool);

fn row(service: &ProjectService) -> Row<'_> {
    let ProjectService { name, prefer, variable, is_shared } = service;
    (name.as_str(), prefer.map(Port::number), variable.as_str(), *is_shared)
}

#[test]
fn a_file_lists_services_and_variables_in_its_order() {
    let file = parse(
        "\
project = \"shop\"

[services]
web  = {}
api  = 8080
db   = { env = \"PGPORT\", prefer = 0x1538 }
mail = { shared = true }

[env]
DATABASE_URL = \"postgres://localhost:{db}/shop\"
COMPOSE_PROJECT_NAME = \"{checkout}\"
",
    )
    .unwrap();
    assert_eq!(file.project.as_str(), "shop");
    let services: Vec<_> = file.services.iter().map(row).collect();
    let expected = [
        ("web", None, "WEB_PORT", false),
        ("api", Some(8080), "API_PORT", false),
        ("db", Some(5432), "PGPORT", false),
        ("mail", None, "MAIL_PORT", true),
    ];
    assert_eq!(services, expected);
    let texts: Vec<_> = file.texts.iter().map(|(variable, _)| variable.as_str()).collect();
    assert_eq!(texts, ["DATABASE_URL", "COMPOSE_PROJECT_NAME"]);
    assert!(file.texts[0].1.names().eq(["db"]));
    assert_eq!(file.service("db").map(row), Some(expected[2]));
    assert_eq!(file.service("d"), None);
}

#[test]
fn what_is_left_out_is_empty() {
    for content in ["project = 'shop'", "project = 'shop'\n[services]\n[env]"] {
        let file = parse(content).unwrap();
        assert_eq!((file.services.len(), file.texts.len()), (0, 0));
    }
    let file = parse("project = 'a'\nservices.web.env = 'W'\nservices.api = 1").unwrap();
    let services: Vec<_> = file.services.iter().map(row).collect();
    assert_eq!(services, [("web", None, "W", false), ("api", Some(1), "API_PORT", false)]);
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_is_allowed() {
    let name = "1 to 100 letters, digits, _ and -";
    let variable = "a variable's name: letters, digits and _, no digit first";
    let in_services = |line: &str| format!("project = 'shop'\n[services]\n{line}\n");
    let in_env = |line: &str| format!("project = 'shop'\n[services]\ndb = {{}}\n[env]\n{line}\n");
    let keys = Some("The keys are project, services, env");
    let service_keys = Some("The keys are prefer, env, shared");
    // (content, place and message, hint)
    let rows: Vec<(String, String, Option<&str>)> = vec![
        (String::new(), format!("`project` is missing; it must be {name}"), Some("Begin the file with `project = \"shop\"`")),
        ("[services]\nweb = {}".into(), format!("`project` is missing; it must be {name}"), Some("Begin the file with `project = \"shop\"`")),
        ("project = 7".into(), format!("1:11: project is 7; it must be {name}"), None),
        ("project = ''".into(), format!("1:11: project is \"\"; it must be {name}"), None),
        ("project = 'my shop'".into(), format!("1:11: project is \"my shop\"; it must be {name}"), Some("Try `my-shop`")),
        ("project = 'my.shop'".into(), format!("1:11: project is \"my.shop\"; it must be {name}"), Some("Try `my-shop`")),
        ("project = 'shop".into(), "1:16: invalid literal string, expected `'`".into(), None),
        ("projekt = 'shop'".into(), "1:1: unknown key `projekt`".into(), Some("Did you mean `project`?")),
        ("project = 'shop'\n[ports]".into(), "2:2: unknown key `ports`".into(), keys),
        ("project = 'shop'\nport_min = 1".into(), "2:1: unknown key `port_min`".into(), Some("It is a setting of the daemon, which belongs in ~/.pald/config.toml")),
        ("project = 'shop'\nproject = 'b'".into(), "2:1: duplicate key".into(), None),
        ("project = 'shop'\nservices = 7".into(), "2:12: services is 7; it must be a table".into(), None),
        ("project = 'shop'\nenv = []".into(), "2:7: env is []; it must be a table".into(), None),
        ("project = 'shop'\n[[services]]".into(), "2:1: services is [[services]]; it must be a table".into(), None),
        (in_services("port = {}"), format!("3:1: a service's name is \"port\"; it must be {name}, and neither `port` nor `checkout`"), None),
        (in_services("web = {}\ncheckout = {}"), format!("4:1: a service's name is \"checkout\"; it must be {name}, and neither `port` nor `checkout`"), None),
        (in_services("'a b' = {}"), format!("3:1: a service's name is \"a b\"; it must be {name}, and neither `port` nor `checkout`"), Some("Try `a-b`")),
        (in_services("'a.b' = {}"), format!("3:1: a service's name is \"a.b\"; it must be {name}, and neither `port` nor `checkout`"), Some("Try `a-b`")),
        (in_services("web = 'x'"), "3:7: services.web is \"x\"; it must be a port that it prefers, or a table such as { prefer = 8080, env = \"API\" }, or {}".into(), None),
        (in_services("web = 0"), "3:7: services.web is 0; it must be an integer from 1 to 65535".into(), None),
        (in_services("web = { prefer = '8080' }"), "3:18: services.web.prefer is \"8080\"; it must be an integer from 1 to 65535".into(), Some("Remove the quotes")),
        (in_services("web = { prefer = 70000 }"), "3:18: services.web.prefer is 70000; it must be an integer from 1 to 65535".into(), None),
        (in_services("web = { shared = 1 }"), "3:18: services.web.shared is 1; it must be true or false".into(), None),
        (in_services("web = { perfer = 1 }"), "3:9: unknown key `perfer`".into(), Some("Did you mean `prefer`?")),
        (in_services("web = { image = 'nginx' }"), "3:9: unknown key `image`".into(), service_keys),
        (in_services("web.api = {}"), "3:5: unknown key `api`".into(), service_keys),
        (in_services("web = { env = '1A' }"), format!("3:15: services.web.env is \"1A\"; it must be {variable}"), None),
        (in_services("web = { env = 7 }"), format!("3:15: services.web.env is 7; it must be {variable}"), None),
        (in_services("web = { env = 'PATH' }"), format!("3:7: services.web.env is \"PATH\"; it must be {}", refused::ALLOWED), None),
        (in_services("git = {}"), format!("3:7: services.git.env is \"GIT_PORT\"; it must be {}", refused::ALLOWED), None),
        (in_services("a-b = {}\na_b = {}"), "4:1: a-b and a_b both have the variable A_B_PORT".into(), Some("Give one of them another, as in `web = { env = \"WEB\" }`")),
        (in_services("web = {}\napi = { env = 'WEB_PORT' }"), "4:1: web and api both have the variable WEB_PORT".into(), Some("Give one of them another, as in `web = { env = \"WEB\" }`")),
        (in_env("DB_PORT = 'x'"), "5:1: db and env.DB_PORT both have the variable DB_PORT".into(), Some("Give one of them another, as in `web = { env = \"WEB\" }`")),
        (in_env("'A B' = 'x'"), format!("5:1: a variable of env is \"A B\"; it must be {variable}"), None),
        (in_env("LD_PRELOAD = 'x'"), format!("5:1: a variable of env is \"LD_PRELOAD\"; it must be {}", refused::ALLOWED), None),
        (in_env("URL = 7"), "5:7: env.URL is 7; it must be a string without control characters".into(), Some("If it is a service, put it below `[services]`")),
        (in_env("URL = \"a\\nb\""), "5:7: env.URL is \"a\\nb\"; it must be a string without control characters".into(), None),
        (in_env("URL = \"\\u001b[2J\""), "5:7: env.URL is \"\\u{1b}[2J\"; it must be a string without control characters".into(), None),
        (in_env("URL = 'http://localhost:{db'"), format!("5:7: env.URL is \"http://localhost:{{db\"; it must be {}", Text::ALLOWED), None),
        (in_env("URL = 'x{dbb}'"), "5:7: env.URL has {dbb} in it, which is no service of shop".into(), Some("Did you mean {db}?")),
        (in_env("URL = '{port}'"), "5:7: env.URL has {port} in it, which is no service of shop".into(), Some("A brace that starts no name is written as {{")),
    ];
    for (content, message, hint) in rows {
        let error = parse(&content).unwrap_err();
        let separator = if message.starts_with('`') { ": " } else { ":" };
        assert_eq!(error.to_string(), format!("pald.toml{separator}{message}"), "{content:?}");
        assert_eq!(error.hint().as_deref(), hint, "{content:?}");
    }
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let error = ProjectFile::parse(Path::new("pald.toml"), b"project = 'shop' # \xff", &[]);
    assert_eq!(error.unwrap_err().to_string(), "pald.toml:1:20: the file is not UTF-8");
}

#[test]
fn a_text_may_name_services_of_the_files_above() {
    let above = parse("project = 'shop'\n[services]\ndb = {}").unwrap();
    let content = b"project = 'web'\n[env]\nURL = '{db}'";
    let file =
        ProjectFile::parse(Path::new("web/pald.toml"), content, std::slice::from_ref(&above));
    assert_eq!(file.unwrap().texts.len(), 1);
    assert!(ProjectFile::parse(Path::new("web/pald.toml"), content, &[]).is_err());
}

/// Pieces of which files are made, right ones and wrong ones.
const PIECES: [&str; 20] = [
    "project = 'shop'\n",
    "[services]\n",
    "[env]\n",
    "web = {}\n",
    "db = 8080\n",
    "a-b = { env = 'A' }\n",
    "a_b = { prefer = 1, shared = true }\n",
    "A = '{web}'\n",
    "B = \"{{{db}\"\n",
    "PATH = 'x'\n",
    "port = {}\n",
    "services.x = {}\n",
    "\u{20ac}",
    "\\u0007",
    "{",
    "}",
    "'",
    "\"",
    " = ",
    "\n",
];

proptest! {
    #[test]
    fn what_is_accepted_has_each_name_and_each_variable_once(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..12),
    ) {
        match parse(&pieces.concat()) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(file) => {
                let mut names: Vec<_> = file.services.iter().map(|it| it.name.as_str()).collect();
                let of_services = file.services.iter().map(|it| it.variable.as_str());
                let of_texts = file.texts.iter().map(|(variable, _)| variable.as_str());
                let mut variables: Vec<_> = of_services.chain(of_texts).collect();
                let counts = (names.len(), variables.len());
                names.sort_unstable();
                names.dedup();
                variables.sort_unstable();
                variables.dedup();
                prop_assert_eq!(counts, (names.len(), variables.len()));
                prop_assert!(!names.contains(&"port") && !variables.contains(&"PATH"));
            }
        }
    }
}
