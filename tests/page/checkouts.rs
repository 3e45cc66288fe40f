//! Services by checkout: whose server runs where, and what is left of a folder that is gone.

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use super::{SKIPPED, services, url};
use crate::daemon::{Daemon, Home};
use crate::names::set_for;
use crate::page::tab::Tab;
use crate::skip::skip;

/// The folders and services from the top of the table, a service with its state.
const ROWS: &str = "return [...document.querySelectorAll('tbody tr')].map(row =>
    row.querySelector('.name') ? [row.querySelector('.name').textContent,
    row.querySelector('.state span').textContent].join(' ') : row.textContent.trim())";

#[test]
fn services_are_shown_by_checkout_and_released_with_their_folder() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let top = home.path().canonicalize().unwrap();
    let [shop, fix] = ["shop", "shop-fix"].map(|name| top.join(name));
    set_for(client, "shop", &shop);
    set_for(client, "blog", &fix);
    client.set("redis").port();
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelectorAll('tbody tr').length === 6");
    let folder = |path: &std::path::Path| path.display().to_string();
    let rows = json!([
        folder(&shop),
        "shop.web held",
        folder(&fix),
        "blog.web held",
        "without a folder",
        "redis held",
    ]);
    assert_eq!(tab.js(ROWS), rows);
    assert_eq!(tab.js("return document.querySelector('#prune').checkVisibility()"), json!(false));

    // What runs comes first, with all of its checkout.
    let server = TcpListener::bind(("127.0.0.1", home.min + 1)).unwrap();
    tab.wait("return document.querySelector('tbody .name').textContent === 'blog.web'");
    assert_eq!(tab.js(ROWS)[0], json!(folder(&fix)));
    assert_eq!(tab.js(ROWS)[1], json!("blog.web running"));
    drop(server);

    fs::remove_dir(&shop).unwrap();
    tab.wait("return document.querySelector('#prune').checkVisibility()");
    let said = tab.js("return document.querySelector('#pruned').textContent");
    assert_eq!(said, json!("The folder of shop.web is gone."));
    // Who thinks better of it has changed nothing.
    let before = services(client);
    tab.click("document.querySelector('#prune button')");
    let told = tab.js("return document.querySelector('dialog[open] #consequence').textContent");
    assert_eq!(told, json!(format!("{} shop.web, {}", home.min, folder(&shop))));
    tab.click("document.querySelector('dialog button[autofocus]')");
    assert_eq!(services(client), before);
    tab.click("document.querySelector('#prune button')");
    tab.click("document.querySelector('#release')");
    tab.wait("return !document.querySelector('#prune').checkVisibility()");
    let left: Vec<_> =
        services(client).as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(left, ["blog.web", "redis"]);
    tab.close(&[]);
}
