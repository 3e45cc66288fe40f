//! pald keeps the registry of which service has which port on a developer's machine.
//!
//! # What lives where
//!
//! From the top down; a module uses only modules of lower lines, and a test holds that.
//!
//! | modules | what lives there |
//! | --- | --- |
//! | [`cli`] | the command line, a file for each command, and the one table of exit codes |
//! | [`http`], [`client`], [`config`], [`project`] | the HTTP service, with the page for browsers; its one client; the layers of settings; `pald.toml` and checkouts |
//! | [`registry`] | the rules: register, release, import, lookup, and whose a listener is; the model, and the committer that changes it |
//! | [`store`], [`probe`], [`dump_file`] | sled; what the machine says about a port; the dump on disk |
//! | [`dump`] | the dump's text, to entries and back |
//! | [`toml_file`] | files that people write, with the place of each mistake |
//! | [`files`], [`lock`], [`paths`] | files that are read and replaced safely; locks; where files are |
//! | [`seal`], [`registration`] | an entry; what a stored registry says about itself |
//! | [`api`] | the JSON that programs and pald exchange |
//! | [`service_name`], [`short_name`], [`port`], [`addresses`], [`timestamp`], [`folder`], [`registry_id`], [`users`], [`variable_name`], [`quoted`], [`printable`], [`suggest`] | values that are right by construction |
//!
//! `migrations/`, beside `src/`, holds one file for each version of the store's schema. Only
//! `store` and the migrations know sled and bincode, only `http` and the command that serves know
//! actix, only `client` knows ureq. All commands but the one that serves ask the daemon; none opens
//! the store.
//!
//! # The path of one `set`
//!
//! 1. [`http::guard`] lets the request in, or the answer is 403. `http::text` reads exactly one
//!    `service` from query and form, and [`ServiceName::parse`](service_name::ServiceName::parse)
//!    accepts it, or the answer is 400.
//! 2. [`Registry::register`](registry::Registry::register) looks the name up in the readers' model,
//!    and its port is the answer; or else the request goes to the committer.
//! 3. The committer takes the requests that wait as one batch. It decides each against its own
//!    model: a new service gets the port that it released last, unless the listener there is
//!    [foreign](registry::Verdict), or else the lowest free one that is remembered for nobody and
//!    that a [`probe::Claimer`] finds unused, and a decision gives operations, which are applied to that
//!    model. It stores the operations of the
//!    batch in one transaction, syncs them to the disk, replays them in the readers' model, keeps
//!    the holds on the claimed ports, and answers. The record beside the store, the dump and the
//!    log come after the answers.
//! 4. The handler prints the port. Errors pass once through `http::error`, which knows the status and
//!    the hint for the text routes and for `/v1`; a program under `/v1` gets them as problems.
//!
//! # What always holds
//!
//! - Every name has exactly one port and every port at most one name: in the model, in both trees
//!   of the store, and in the dump.
//! - What a reader has seen is on disk: a change is shown, and answered, after its sync.
//! - A change appears whole or not at all; an import, and a project's set, is one change.
//! - A registered service keeps its port until it is released, or moved by its name.
//! - pald never starts with fewer services than it has acknowledged without saying so, at that start
//!   and at each later one until the user has taken note: `registry::plan` decides each start by one
//!   table, from the seals of store and dump and from the record beside the store. That record is
//!   written after the answers. If pald is killed before it is, and the end of the store is lost
//!   too, only the dump can show what is missing.
//! - A file that pald did not write is never overwritten without a copy.
//! - Nothing outside this machine, no web page but pald's own after a press of a button there, and on
//!   Linux no other user changes the registry.
//! - No command believes a program of another user: `client` asks whose it is before it sends anything
//!   (Linux).
//! - Nothing that another user made or can change is opened as the store: `files::ownership`.
//! - A name that is legal here can be read back by the 2015 program.
//!
//! # Why a committer
//!
//! Changes are transactions over both of sled's trees, as any handler could make them; but sled
//! alone neither syncs to the disk nor groups commits, and it deadlocks when several tasks flush.
//! So one thread makes all changes: each of its batches is one transaction, one flush and one sync.
//!
//! # What is deliberately absent
//!
//! A reverse proxy, DNS names, TLS, supervision of processes, leases, remote access, telemetry and
//! plug-ins. pald answers one question: which port is whose, and can it be used.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity))]

pub mod addresses;
pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod dump;
pub mod dump_file;
pub mod files;
pub mod folder;
pub mod http;
pub mod lock;
pub mod paths;
pub mod port;
pub mod printable;
pub mod probe;
pub mod project;
pub mod quoted;
pub mod registration;
pub mod registry;
pub mod registry_id;
pub mod seal;
pub mod service_name;
pub mod short_name;
pub mod store;
pub mod suggest;
#[cfg(test)]
mod testing;
pub mod timestamp;
pub mod toml_file;
pub mod users;
pub mod variable_name;
