//! The one client of a running pald: it speaks `/v1` with the types of [`crate::api`].
//!
//! It believes only the user's own pald, root's and that of `daemon_user`, as far as the system says
//! whose a connection is.
//!
//! Not here: which pald to ask, and what to tell the user about an answer.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::typestate::WithBody;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, RequestBuilder};

use crate::api::{
    GoneServices, Health, Imported, Port as PortAnswer, ProjectRequest, ProjectServices, Pruned,
    RegisterRequest, RenameRequest, Service, ServiceNames, Services,
};
use crate::port::Port;
use crate::registry::{Existing, ImportMode};
use crate::service_name::ServiceName;
use crate::users::Users;

mod answer;
mod connection;
mod error;
mod server_user;
mod url;

use answer::{Answer, JSON, Sent, TEXT};
use connection::CheckedConnector;
use server_user::ServerCheck;

pub use error::ClientError;
pub use server_user::{OtherUser, UnknownUser};
pub use url::{Url, UrlError};

/// How long a connection to pald may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long a whole request may take; a change waits for the disk.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// The same for an import, which may be 16 MiB.
const IMPORT_TIME: Duration = Duration::from_secs(60);

/// The route of services whose folder is gone.
const PRUNE: &str = "/v1/prune";

/// A client of one pald, which keeps its connection open.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    url: Url,
    daemon_user: Users,
    check: Arc<ServerCheck>,
}

/// A registered service, as the answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The service.
    pub service: Service,
    /// Whether it was not registered before.
    pub is_new: bool,
}

/// What answers with services have in common.
#[derive(Deserialize)]
struct Listed {
    services: Vec<Service>,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// It believes programs of this user, of root and of `daemon_user`.
    ///
    /// It ignores proxies of the environment, since pald is on this machine, and redirects.
    pub fn new(url: Url, daemon_user: Users) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIME))
            .timeout_global(Some(REQUEST_TIME))
            .user_agent(concat!("pald/", env!("CARGO_PKG_VERSION")))
            .build();
        let check = Arc::new(ServerCheck::new(daemon_user.clone()));
        let connector = CheckedConnector(Arc::clone(&check));
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        Self { agent, url, daemon_user, check }
    }

    /// Makes a client of another URL that believes the same users.
    #[must_use]
    pub fn at(&self, url: Url) -> Self {
        Self::new(url, self.daemon_user.clone())
    }

    /// Returns the URL of the pald that this client asks.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns why it is unknown whose program answered last, if it is.
    pub fn unknown_user(&self) -> Option<UnknownUser> {
        self.check.unknown()
    }

    /// Returns the services whose names match a glob, or all, with what uses their ports.
    ///
    /// # Errors
    /// pald does not answer, or the answer is a problem.
    pub fn services(&self, name: Option<&str>) -> Result<Services, ClientError> {
        let request = self.agent.get(self.url_of("/v1/services"));
        self.json(
            name.into_iter().fold(request, |request, name| request.query("name", name)).call(),
        )
    }

    /// Returns the services whose names match a glob, or all, without what uses their ports, which
    /// is fast.
    ///
    /// # Errors
    /// As for [`Client::services`].
    pub fn registered_services(&self, name: Option<&str>) -> Result<Vec<Service>, ClientError> {
        let request = self.agent.get(self.url_of("/v1/services")).query("state", "false");
        let named = name.into_iter().fold(request, |request, name| request.query("name", name));
        self.json(named.call()).map(|answer: Listed| answer.services)
    }

    /// Registers services of a project for a checkout as one change; on return it is on disk.
    ///
    /// # Errors
    /// As for [`Client::services`], and pald does not know projects yet.
    pub fn register_project(&self, request: &ProjectRequest) -> Result<Vec<Service>, ClientError> {
        let body = serde_json::to_string(request).expect("a request is JSON");
        let sent = self.agent.post(self.url_of("/v1/services")).content_type(JSON).send(body);
        let answer = Answer::of(sent, &self.url)?;
        match answer.success::<ProjectServices>() {
            Some(registered) => Ok(registered.services),
            None if answer.is_unknown_method() => Err(self.too_old("knows no projects")),
            None => Err(answer.to_error(&self.url)),
        }
    }

    /// Returns a service, with what uses its port.
    ///
    /// # Errors
    /// As for [`Client::services`]; the problem is `NotFound` if it is not registered.
    pub fn service(&self, service: &ServiceName) -> Result<Service, ClientError> {
        self.json(self.agent.get(self.service_url(service)).call())
    }

    /// Returns a service, with what uses its port as far as sockets tell: for who asks again and again.
    ///
    /// # Errors
    /// As for [`Client::service`].
    pub fn service_by_sockets(&self, service: &ServiceName) -> Result<Service, ClientError> {
        self.json(self.agent.get(self.service_url(service)).query("knock", "false").call())
    }

    /// Returns a service, without what uses its port, which is fast.
    ///
    /// # Errors
    /// As for [`Client::service`].
    pub fn registered_service(&self, service: &ServiceName) -> Result<Service, ClientError> {
        self.json(self.agent.get(self.service_url(service)).query("state", "false").call())
    }

    /// Registers a service, or changes its addresses or hold; on return the change is on disk.
    ///
    /// # Errors
    /// As for [`Client::services`]; the problem says what is in the way.
    pub fn register(
        &self,
        service: &ServiceName,
        request: &RegisterRequest,
        existing: Existing,
    ) -> Result<Registered, ClientError> {
        let is_move = existing == Existing::Move;
        let request = RegisterRequest { is_move, ..request.clone() };
        let body = serde_json::to_string(&request).expect("a request is JSON");
        let request = self.agent.put(self.service_url(service)).content_type(JSON);
        let sent = match existing {
            Existing::Accept | Existing::Move => request.send(body),
            Existing::Refuse => request.header("If-None-Match", "*").send(body),
        };
        let answer = Answer::of(sent, &self.url)?;
        let service = answer.success().ok_or_else(|| answer.to_error(&self.url))?;
        Ok(Registered { service, is_new: answer.is_created() })
    }

    /// Gives a service another name; on return the change is on disk.
    ///
    /// # Errors
    /// As for [`Client::service`]; the problem is `NameTaken` if another service has the name. An
    /// older pald can't do this.
    pub fn rename(&self, service: &ServiceName, to: &ServiceName) -> Result<Service, ClientError> {
        let request = RenameRequest { name: to.to_string() };
        let body = serde_json::to_string(&request).expect("a request is JSON");
        let url = format!("{}/rename", self.service_url(service));
        let answer = Answer::of(self.agent.post(url).content_type(JSON).send(body), &self.url)?;
        answer.success().ok_or_else(|| self.old_or_error(&answer, "knows no `pald mv`"))
    }

    /// Releases services as one change, all or none; on return it is on disk.
    ///
    /// Returns what their registrations were.
    ///
    /// # Errors
    /// As for [`Client::service`], and pald can't do this yet.
    pub fn release(&self, services: Vec<String>) -> Result<Vec<Service>, ClientError> {
        let answer = self.send_names("/v1/release", services)?;
        let released: Option<ProjectServices> = answer.success();
        Ok(released.ok_or_else(|| self.old_or_error(&answer, "can't do that"))?.services)
    }

    /// Returns the services whose folder is not there.
    ///
    /// # Errors
    /// As for [`Client::services`], and pald can't do this yet.
    pub fn gone(&self) -> Result<GoneServices, ClientError> {
        let answer = Answer::of(self.agent.get(self.url_of(PRUNE)).call(), &self.url)?;
        answer.success().ok_or_else(|| self.old_or_error(&answer, "knows no `pald prune`"))
    }

    /// Releases those of these services whose folder is gone, as one change; on return it is on disk.
    ///
    /// # Errors
    /// As for [`Client::gone`].
    pub fn prune(&self, services: Vec<String>) -> Result<Pruned, ClientError> {
        let answer = self.send_names(PRUNE, services)?;
        answer.success().ok_or_else(|| self.old_or_error(&answer, "knows no `pald prune`"))
    }

    /// Returns a port, registered or not, with what uses it.
    ///
    /// # Errors
    /// As for [`Client::services`].
    pub fn port(&self, port: Port) -> Result<PortAnswer, ClientError> {
        self.json(self.agent.get(self.port_url(port)).call())
    }

    /// Returns the dump of the registry as it is now.
    ///
    /// # Errors
    /// As for [`Client::services`]. A dump with other bytes than printable ASCII, tabs and line feeds
    /// is not one of pald's.
    pub fn dump(&self) -> Result<Vec<u8>, ClientError> {
        let answer = Answer::of(self.agent.get(self.url_of("/v1/dump")).call(), &self.url)?;
        let is_legal = |byte: &u8| matches!(byte, b'\t' | b'\n' | b' '..=b'~');
        let dump = answer.text().filter(|dump| dump.iter().all(is_legal));
        dump.ok_or_else(|| answer.to_error(&self.url))
    }

    /// Imports a dump, all of it or nothing; on return the change is on disk.
    ///
    /// # Errors
    /// As for [`Client::services`]; the problem is `DumpInvalid` if the dump is invalid.
    pub fn import(&self, dump: &[u8], mode: ImportMode) -> Result<Imported, ClientError> {
        self.json(self.import_request(mode).send(dump))
    }

    /// Returns what the import of a dump would change; nothing is changed.
    ///
    /// # Errors
    /// As for [`Client::import`].
    pub fn plan_import(&self, dump: &[u8], mode: ImportMode) -> Result<Imported, ClientError> {
        self.json(self.import_request(mode).query("dry_run", "true").send(dump))
    }

    /// Returns the health of pald, also while it refuses changes.
    ///
    /// # Errors
    /// As for [`Client::services`].
    pub fn health(&self) -> Result<Health, ClientError> {
        let answer = Answer::of(self.agent.get(self.url_of("/v1/health")).call(), &self.url)?;
        answer.read().ok_or_else(|| answer.to_error(&self.url))
    }

    fn import_request(&self, mode: ImportMode) -> RequestBuilder<WithBody> {
        let mode = match mode {
            ImportMode::Merge => "merge",
            ImportMode::Replace => "replace",
        };
        let request =
            self.agent.put(self.url_of("/v1/dump")).query("mode", mode).content_type(TEXT);
        request.config().timeout_global(Some(IMPORT_TIME)).build()
    }

    fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn service_url(&self, service: &ServiceName) -> String {
        self.url_of(&format!("/v1/services/{service}"))
    }

    fn port_url(&self, port: Port) -> String {
        self.url_of(&format!("/v1/ports/{port}"))
    }

    fn send_names(&self, path: &str, services: Vec<String>) -> Result<Answer, ClientError> {
        let body = serde_json::to_string(&ServiceNames { services }).expect("names are JSON");
        Answer::of(self.agent.post(self.url_of(path)).content_type(JSON).send(body), &self.url)
    }

    /// Explains the answer of a route that an older pald lacks.
    fn old_or_error(&self, answer: &Answer, lacks: &'static str) -> ClientError {
        match answer.is_unknown_path() {
            true => self.too_old(lacks),
            false => answer.to_error(&self.url),
        }
    }

    fn too_old(&self, lacks: &'static str) -> ClientError {
        ClientError::TooOld { url: self.url.clone(), lacks }
    }

    fn json<T: DeserializeOwned>(&self, sent: Sent) -> Result<T, ClientError> {
        let answer = Answer::of(sent, &self.url)?;
        answer.success().ok_or_else(|| answer.to_error(&self.url))
    }
}
