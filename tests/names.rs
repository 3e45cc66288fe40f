//! The life of names: services that are pruned, renamed, held or not, and released together.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::daemon::{Client, Home, PALD, Reply};
use crate::faults::finish;

mod full;
mod hold;
mod model;
mod prune;
mod release;
mod rename;

const JSON: &str = "Content-Type: application/json\r\n";

fn post(client: &Client, path: &str, wish: &Value) -> Reply {
    client.send("POST", path, JSON, wish.to_string().as_bytes())
}

fn put(client: &Client, path: &str, wish: &Value) -> Reply {
    client.send("PUT", path, JSON, wish.to_string().as_bytes())
}

/// Registers the service `PROJECT.web` for a checkout in a folder, which is made.
pub(crate) fn set_for(client: &Client, project: &str, folder: &Path) -> u16 {
    fs::create_dir_all(folder).unwrap();
    set_for_missing(client, project, folder)
}

/// Registers the service `PROJECT.web` for a checkout in a folder, which pald does not look for.
fn set_for_missing(client: &Client, project: &str, folder: &Path) -> u16 {
    let folder = pald::folder::Folder::of(folder).unwrap().to_string();
    let services = json!([{ "name": "web" }]);
    let wish =
        json!({ "folder": folder, "project": project, "labels": [""], "services": services });
    let reply = post(client, "/v1/services", &wish);
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["services"][0]["port"].as_u64().unwrap().try_into().unwrap()
}

/// Runs pald in a folder: its exit code, stdout and stderr, with 49200 for where pald listens, and the
/// numbers after it for the range.
fn pald(home: &Home, line: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(PALD);
    home.prepare(&mut command);
    command.args(line.split(' ')).current_dir(home.path());
    let (code, stdout, stderr) = finish(&mut command);
    (code, shown(home, &stdout), shown(home, &stderr))
}

fn shown(home: &Home, text: &str) -> String {
    let port = |text: String, offset: u16| {
        text.replace(&(home.listen + offset).to_string(), &(49200 + offset).to_string())
    };
    (0..20).fold(text.to_owned(), port)
}

/// The names of all services, in the order of their ports.
fn names(client: &Client) -> Vec<String> {
    let list = client.get("/v1/services?state=false").json();
    let services = list["services"].as_array().unwrap().clone();
    services.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

fn revision(client: &Client) -> u64 {
    client.get("/v1/health").json()["revision"].as_u64().unwrap()
}
