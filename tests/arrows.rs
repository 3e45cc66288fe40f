//! The map in `src/lib.rs` is true: modules use only what is below them.

use std::fs;
use std::path::{Path, PathBuf};

/// The levels from the top down; a module may use those of later rows and of its own.
const LEVELS: [&[&str]; 9] = [
    &["cli"],
    &["http", "client", "config", "project"],
    &["registry"],
    &["store", "probe", "dump_file"],
    &["dump"],
    &["toml_file"],
    &["files", "lock", "paths"],
    &["seal", "registration"],
    &[
        "api",
        "service_name",
        "short_name",
        "port",
        "addresses",
        "timestamp",
        "folder",
        "registry_id",
        "users",
        "variable_name",
        "quoted",
        "printable",
        "suggest",
    ],
];

/// What unit tests alone use, at any level.
const TESTING: &str = "testing";

fn level(module: &str) -> usize {
    let found = LEVELS.iter().position(|level| level.contains(&module));
    found.unwrap_or_else(|| panic!("{module} has no level in the map"))
}

/// All sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The text of a file without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The module at the top level that a file belongs to.
fn module_of(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match path.strip_prefix(root.join("src")) {
        Ok(relative) => {
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            first.trim_end_matches(".rs").to_owned()
        }
        Err(_) => "store".to_owned(),
    }
}

fn all_sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = sources(&root.join("src"));
    all.extend(sources(&root.join("migrations")));
    all.retain(|path| !["lib", "main", TESTING].contains(&module_of(path).as_str()));
    all
}

/// The modules that come after `crate::` in a text, also within braces.
fn used_modules(code: &str) -> Vec<String> {
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let mut used = Vec::new();
    for (_, rest) in
        code.match_indices("crate::").map(|(at, found)| (at, &code[at + found.len()..]))
    {
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = &list[..list.find('}').unwrap()];
                used.extend(list.split(',').map(|item| name(item.trim())));
            }
            None => used.push(name(rest)),
        }
    }
    used.retain(|module| !module.is_empty() && module != TESTING);
    used
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut checked = 0;
    for path in all_sources() {
        let module = module_of(&path);
        for used in used_modules(&code(&path)) {
            checked += 1;
            let is_below = level(&used) >= level(&module);
            assert!(is_below, "{} uses {used}, which is above {module}", path.display());
        }
    }
    assert!(checked > 100, "only {checked} uses were found");
}

#[test]
fn the_reader_of_uses_sees_all_forms() {
    let code =
        "use crate::port::Port;\nuse crate::{dump, files};\nlet x = crate::seal::Seal::of();";
    assert_eq!(used_modules(code), ["port", "dump", "files", "seal"]);
}

#[test]
fn one_file_picks_the_system_that_the_probe_runs_on() {
    let probe = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe");
    let names_a_system = |path: &PathBuf| {
        let code = code(path);
        code.contains("target_os") || code.contains("\"portable\"")
    };
    let found: Vec<_> = sources(&probe).into_iter().filter(names_a_system).collect();
    assert_eq!(found, [probe.join("sys.rs")]);
}

#[test]
fn each_library_is_known_where_it_belongs() {
    // (library, who may name it)
    let rows: [(&str, &[&str]); 13] = [
        ("sled", &["store"]),
        ("bincode", &["store"]),
        ("actix_web", &["http", "cli"]),
        ("serde", &["store", "config", "api", "http", "client", "cli"]),
        ("toml", &["toml_file", "config", "project"]),
        ("utoipa", &["api", "http"]),
        ("ureq", &["client"]),
        ("clap", &["cli"]),
        ("strsim", &["suggest"]),
        ("listenfd", &["http"]),
        ("sd_notify", &["cli"]),
        ("netlink_packet_core", &["probe"]),
        ("procfs", &["probe"]),
    ];
    for path in all_sources() {
        let (module, code) = (module_of(&path), code(&path));
        for (library, owners) in rows {
            let is_named =
                code.contains(&format!("{library}::")) && !code.contains(&format!("_{library}::"));
            assert!(
                !is_named || owners.contains(&module.as_str()),
                "{} names {library}",
                path.display()
            );
        }
    }
}
