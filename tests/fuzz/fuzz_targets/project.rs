//! The bytes of a project's file. What is accepted has legal names and variables that nothing runs
//! code by, each once.
#![no_main]

use std::collections::BTreeSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pald::project::{ProjectFile, ShortName};
use pald_fuzz::spell;

const WORDS: &[&str] = &[
    "project = 'shop'\n",
    "[services]\n",
    "[env]\n",
    "web = {}\n",
    "db = { ",
    "env = ",
    "prefer = ",
    "shared = true",
    " }\n",
    ", ",
    "'PATH'",
    "'PGPORT'",
    "LD_PRELOAD = ",
    "URL = ",
    "'{db}'",
    "\"{checkout}\"",
    "{{",
    "{port}",
    "port = {}\n",
    "services.",
    "8080",
    "65536",
    "\\u0000",
    "\u{20ac}",
    "\"",
    "'",
];

fuzz_target!(|input: &[u8]| {
    let content = spell(input, WORDS);
    match ProjectFile::parse(Path::new("pald.toml"), &content, &[]) {
        Ok(file) => check(&file),
        Err(error) => {
            let _message = (error.to_string(), error.hint());
        }
    }
});

fn check(file: &ProjectFile) {
    let names: BTreeSet<_> = file.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names.len(), file.services.len());
    let of_services = file.services.iter().map(|service| &service.variable);
    let variables: Vec<_> = of_services.chain(file.texts.iter().map(|(name, _)| name)).collect();
    assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());
    for name in names {
        assert!(
            ShortName::parse(name).is_some() && !["port", "checkout"].contains(&name),
            "{name}"
        );
    }
    for variable in variables.iter().map(|variable| variable.as_str()) {
        assert!(!variable.starts_with("LD_") && variable != "PATH", "{variable}");
    }
    for (_, text) in &file.texts {
        let filled = text.fill(|name| Ok::<_, ()>(name.to_owned())).unwrap();
        assert!(!filled.contains(char::is_control), "{filled:?}");
    }
}
