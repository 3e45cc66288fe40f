//! The bytes of a configuration file. What is accepted lies within the bounds of each setting.
#![no_main]

use std::path::Path;

use actix_web::http::header::{HOST, HeaderMap, HeaderValue};
use actix_web::http::{Method, Uri, Version};
use libfuzzer_sys::fuzz_target;
use pald::config::Config;
use pald::http::guard::{Admission, Head, Hosts};
use pald::paths::Paths;
use pald::users::Users;
use pald_fuzz::spell;

const WORDS: &[&str] = &[
    "\nport_listen = ",
    "\nport_min = ",
    "\nport_max = ",
    "\ndump_file = ",
    "\ndata_dir = ",
    "\nallow_users = [",
    "\nallowed_hosts = [",
    "]",
    "0x",
    "49200",
    "65535",
    "65536",
    "'~/",
    "'/a/b'",
    "'/a/b",
    "'",
    "'*'",
    "'root'",
    "65534",
    ", ",
    "'localhost'",
    "'[::1]'",
    "'::",
    "\"\"\"",
    "\\u0000",
    "\u{20ac}",
    "\u{1f600}",
    "[[",
    "1979-05-27T07:32:00Z",
    "inf",
];

fuzz_target!(|input: &[u8]| {
    let content = spell(input, WORDS);
    let paths = Paths { system_file: "/nowhere".into(), home: Some("/home/ann".into()) };
    match Config::of_file(Path::new("config.toml"), &content, &paths) {
        Ok(config) => check(&config),
        Err(error) => {
            let _message = (error.to_string(), error.hint());
        }
    }
});

fn check(config: &Config) {
    let Config { port_listen, port_range, dump_file, data_dir, .. } = config;
    assert!(port_range.min() <= port_range.max());
    assert!(port_range.size() > 1 || port_range.min() != *port_listen);
    for path in [dump_file, data_dir] {
        assert!(path.is_absolute() && path.file_name().is_some(), "{path:?}");
        assert!(!path.as_os_str().as_encoded_bytes().contains(&0), "{path:?}");
    }
    assert!(!dump_file.starts_with(data_dir) && !data_dir.starts_with(dump_file));
    assert!(config.allow_users == Users::Anybody || !config.allow_users.include(Some(65534)));
    assert!(config.unknown_variables.is_empty());
    config.allowed_hosts.iter().for_each(|host| check_host(host, config));
}

/// A name that is allowed must be one that is answered to.
fn check_host(host: &str, config: &Config) {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(host).unwrap());
    let uri = Uri::from_static("/get");
    let head =
        Head { method: &Method::GET, uri: &uri, version: Version::HTTP_11, headers: &headers };
    let admission = head.check(&Hosts::new(config.allowed_hosts.clone()));
    assert_eq!(admission, Ok(Admission::Whole), "{host}");
}
