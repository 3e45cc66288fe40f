//! `/v1/services`: all services, and each one by its name.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use glob::Pattern;
use serde::Serialize;

use super::responses::{BadBody, Busy, Missing, Refusals, Wrong};
use super::shapes::{self, Seen};
use super::{look, object, service_of};
use crate::addresses::Addresses;
use crate::api::{Problem, RangeUsage, RegisterRequest, Service, Services};
use crate::http::blocking::run_blocking;
use crate::http::body::{self, Expected};
use crate::http::error::HttpError;
use crate::http::parameters::Parameters;
use crate::http::register::register;
use crate::http::reply::{self, Portions};
use crate::http::viewers::{Sight, Turn, Viewers};
use crate::port::Port;
use crate::quoted::Quoted;
use crate::registration::Registration;
use crate::registry::{
    Age, Checkouts, Existing, RegisterOptions, Registry, Snapshot, States, Target, Verdict,
};

/// The body of a PUT.
const REGISTER_REQUEST: Expected = Expected::json(8 * 1024);

/// The maximum length of a pattern in bytes: no name is longer.
const MAX_PATTERN_BYTES: usize = 255;

/// How many services are written at once.
const PORTION: usize = 64;

/// Lists services
#[utoipa::path(
    get, path = "/v1/services", operation_id = "list_services",
    params(
        ("name" = Option<String>, Query,
            description = "Only services whose whole name matches this pattern, with `*`, `?` and `[...]`"),
        ("state" = Option<bool>, Query,
            description = "`false` leaves out what the ports are used for, which takes the longest to find out"),
        ("fresh" = Option<bool>, Query,
            description = "`false` takes what was found out up to a second ago: for who asks again and again"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier reply"),
    ),
    responses(
        (status = 200, description = "The services, and what their ports are used for now", body = Services,
            headers(("ETag" = String, description = "A hash of the reply"))),
        (status = 304, description = "Nothing changed since the reply with that ETag"),
        Wrong,
        Refusals,
        Busy,
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    registry: Data<Registry>,
    viewers: Data<Viewers>,
) -> Result<HttpResponse, HttpError> {
    let parameters = Parameters::of_query(request.query_string())?;
    let pattern = parameters.at_most_one("name")?.map(|text| pattern(&text)).transpose()?;
    let with_states = parameters.switch("state")?.unwrap_or(true);
    let age = match parameters.switch("fresh")?.unwrap_or(true) {
        true => Age::Now,
        false => Age::UpToASecond,
    };
    let is_wanted = move |registration: &Arc<Registration>| {
        pattern.as_ref().is_none_or(|pattern| pattern.matches(registration.service.as_str()))
    };
    let turn = viewers.turn(&request).await?;
    let sight = turn.sight;
    // Writing a long list as JSON takes a while too.
    let body = run_blocking(move || {
        let Snapshot { mut registrations, seal } = registry.snapshot();
        let range = range_usage(&registry, &registrations);
        let all = registrations.clone();
        registrations.retain(is_wanted);
        let states = with_states.then(|| {
            let ports: Vec<_> = registrations.iter().map(|known| known.port).collect();
            registry.states(&ports, age)
        });
        let held = registrations.iter().map(|known| registry.is_held(known.port)).collect();
        let verdicts = states.as_ref().map(|states| verdicts(&all, &registrations, states));
        let revision = seal.revision;
        let list = List { registrations, states, verdicts, held, sight, range, revision };
        Portions::new(move |number| list.portion(number))
    });
    Ok(not_modified_or(&request, body.await?, turn))
}

/// What a list shows, at one moment.
struct List {
    registrations: Vec<Arc<Registration>>,
    /// What their ports are used for, if that was looked up.
    states: Option<Arc<States>>,
    /// Of each registration, whose the listener is.
    verdicts: Option<Vec<Option<Verdict>>>,
    /// Of each registration, whether pald holds its port.
    held: Vec<bool>,
    sight: Sight,
    range: RangeUsage,
    revision: u64,
}

/// What follows the services in [`Services`].
#[derive(Serialize)]
struct End<'a> {
    #[serde(rename = "pool")]
    range: &'a RangeUsage,
    revision: u64,
}

impl List {
    /// Writes a part of what [`Services`] describes: its beginning, some services, its end.
    fn portion(&self, number: usize) -> Option<Vec<u8>> {
        let start = number * PORTION;
        let (mut json, rest) = match self.registrations.get(start..)? {
            rest if number == 0 => (br#"{"services":["#.to_vec(), rest),
            [] => return None,
            rest => (Vec::new(), rest),
        };
        let states = self.states.as_deref();
        let held = &self.held[start..];
        for (place, (known, held)) in rest.iter().zip(held).take(PORTION).enumerate() {
            if start + place > 0 {
                json.push(b',');
            }
            let verdict = self.verdicts.as_ref().and_then(|verdicts| verdicts[start + place]);
            let seen = states.map(|states| Seen { state: states.get(known.port), verdict });
            let service = shapes::service(known, seen, *held, self.sight);
            reply::write_json(&mut json, &service);
        }
        if rest.len() <= PORTION {
            json.extend(b"],");
            let end = End { range: &self.range, revision: self.revision };
            json.extend(&reply::to_json(&end)[1..]);
        }
        Some(json)
    }
}

/// Whose the listeners on the ports of some of all services are.
fn verdicts(
    all: &[Arc<Registration>],
    some: &[Arc<Registration>],
    states: &States,
) -> Vec<Option<Verdict>> {
    let checkouts = Checkouts::of(all.iter().map(|known| &**known));
    let verdict = |known: &Arc<Registration>| {
        checkouts.verdict(&known.service, known.folder.as_ref(), states.get(known.port))
    };
    some.iter().map(verdict).collect()
}

/// Makes the reply, or a 304 if the client already has it.
fn not_modified_or(request: &HttpRequest, body: Portions, turn: Turn) -> HttpResponse {
    let tag = format!("\"{:016x}\"", body.hash());
    let known = request.headers().get_all(header::IF_NONE_MATCH).filter_map(|v| v.to_str().ok());
    let mut known = known.flat_map(|list| list.split(',')).map(str::trim);
    // Weak comparison (RFC 9110 section 13.1.2): `W/` does not count.
    let is_known = known.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag);
    let mut response = match is_known {
        true => reply::new(StatusCode::NOT_MODIFIED, reply::JSON, ()),
        false => reply::long(reply::JSON, body, turn),
    };
    let tag = HeaderValue::try_from(tag).expect("hexadecimal digits are legal in a header");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

fn range_usage(registry: &Registry, registrations: &[Arc<Registration>]) -> RangeUsage {
    let (range, listen) = (registry.port_range(), registry.port_listen());
    let ports = || registrations.iter().map(|registration| registration.port);
    let used = ports().filter(|port| range.contains(*port)).count();
    // pald's own port may be registered too: the dump of a first start can bring it.
    let is_own_apart = range.contains(listen) && !ports().any(|port| port == listen);
    let free = range.size() - used - usize::from(is_own_apart);
    RangeUsage { min: range.min().number(), max: range.max().number(), used, free }
}

fn pattern(text: &[u8]) -> Result<Pattern, HttpError> {
    let wrong = |reason| HttpError::Pattern { pattern: Quoted::new(text), reason };
    if text.len() > MAX_PATTERN_BYTES {
        return Err(wrong("it is longer than 255 bytes"));
    }
    let mut pattern = String::from_utf8(text.to_vec()).map_err(|_| wrong("it is not UTF-8"))?;
    // To the crate `**` means folders, which names do not have.
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    Pattern::new(&pattern).map_err(|error| wrong(error.msg))
}

/// Shows a service
#[utoipa::path(
    get, path = "/v1/services/{name}", operation_id = "show_service",
    params(
        ("name" = String, Path, description = "The name of the service",
            min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_.-]+$"),
        ("state" = Option<bool>, Query,
            description = "`false` leaves out what the port is used for"),
        ("knock" = Option<bool>, Query,
            description = "`false` looks at sockets alone and connects to nothing: for who asks again and again"),
    ),
    responses(
        (status = 200, description = "The service, and what its port is used for now", body = Service),
        Wrong,
        Missing,
        Refusals,
        Busy,
    )
)]
pub(super) async fn show(
    request: HttpRequest,
    registry: Data<Registry>,
    viewers: Data<Viewers>,
) -> Result<HttpResponse, HttpError> {
    let service = service_of(&request)?;
    let parameters = Parameters::of_query(request.query_string())?;
    let with_state = parameters.switch("state")?.unwrap_or(true);
    let look = look(&parameters)?;
    let Some(registration) = registry.service(&service) else {
        return Err(HttpError::NotRegistered(service));
    };
    if !with_state {
        let held = registry.is_held(registration.port);
        let shown = shapes::service(&registration, None, held, Sight::WithoutHolders);
        return Ok(reply::json(StatusCode::OK, &shown));
    }
    let (known, turn) = (Arc::clone(&registration), viewers.turn(&request).await?);
    let look = move || {
        let state = registry.state(known.port, look);
        let verdict = registry.verdict(&known, &state);
        (state, verdict, registry.is_held(known.port))
    };
    let (state, verdict, held) = run_blocking(look).await?;
    let seen = Seen { state: &state, verdict };
    Ok(reply::json(StatusCode::OK, &shapes::service(&registration, Some(seen), held, turn.sight)))
}

/// Registers a service
///
/// A registered service keeps its port. When the reply arrives, the change is on disk.
#[utoipa::path(
    put, path = "/v1/services/{name}", operation_id = "put_service",
    params(
        ("name" = String, Path, description = "The name of the service",
            min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_.-]+$"),
        ("If-None-Match" = Option<String>, Header,
            description = "`*` refuses a service that is already registered"),
    ),
    request_body(content = Option<RegisterRequest>, description = "Optional; at most 8 KiB"),
    responses(
        (status = 200, description = "It was already registered, and now has what was asked for",
            body = Service),
        (status = 201, description = "It is newly registered", body = Service,
            headers(("Location" = String, description = "The path of the service"))),
        Wrong,
        BadBody,
        (status = 409, description = "Another service has the port, this service has another port, \
            or no port is left", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is already registered, and `If-None-Match` was `*`", body = Problem,
            content_type = "application/problem+json"),
        Refusals,
    )
)]
pub(super) async fn put(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let body = body::read(&request, payload, REGISTER_REQUEST).await?;
    let service = service_of(&request)?;
    let options = options(&request, &body)?;
    let registered = register(&registry, service, options).await?;
    let held = registry.is_held(registered.registration.port);
    let shown = shapes::service(&registered.registration, None, held, Sight::Whole);
    if !registered.is_new {
        return Ok(reply::json(StatusCode::OK, &shown));
    }
    let mut response = reply::json(StatusCode::CREATED, &shown);
    let location = HeaderValue::try_from(format!("/v1/services/{}", shown.name))
        .expect("the name of a service is legal in a header");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn options(request: &HttpRequest, body: &[u8]) -> Result<RegisterOptions, HttpError> {
    let wanted: RegisterRequest = match body.trim_ascii() {
        [] | b"null" => RegisterRequest::default(),
        body => object(body)?,
    };
    let must_be_new =
        request.headers().get_all(header::IF_NONE_MATCH).any(|value| value.as_bytes() == b"*");
    Ok(RegisterOptions {
        port: wanted.port.map(Port::try_from).transpose()?,
        addresses: wanted.addresses.map(|list| Addresses::join(&list)).transpose()?,
        hold: wanted.hold,
        existing: match (must_be_new, wanted.is_move) {
            (true, _) => Existing::Refuse,
            (false, true) => Existing::Move,
            (false, false) => Existing::Accept,
        },
    })
}

/// Releases a service
///
/// When the reply arrives, the change is on disk.
#[utoipa::path(
    delete, path = "/v1/services/{name}", operation_id = "delete_service",
    params(
        ("name" = String, Path, description = "The name of the service",
            min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_.-]+$"),
    ),
    responses(
        (status = 204, description = "The service is no longer registered"),
        Wrong,
        Missing,
        Refusals,
    )
)]
pub(super) async fn release(
    request: HttpRequest,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    registry.release(vec![Target::Service(service_of(&request)?)]).await?;
    Ok(reply::no_content())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_name::ServiceName;
    use crate::timestamp::Timestamp;

    #[test]
    fn the_portions_of_a_list_are_one_json() {
        for count in [0, 1, PORTION - 1, PORTION, PORTION + 1, 2 * PORTION, 3 * PORTION - 1] {
            let registrations = (1..).take(count).map(|number| {
                Arc::new(Registration {
                    service: ServiceName::parse(format!("s{number}")).unwrap(),
                    port: Port::new(number).unwrap(),
                    addresses: Addresses::default(),
                    created_at: Timestamp::from_unix_seconds(0).unwrap(),
                    hold: true,
                    folder: None,
                })
            });
            let registrations: Vec<_> = registrations.collect();
            let range = RangeUsage { min: 1, max: 999, used: count, free: 999 - count };
            let shown = List {
                held: vec![false; registrations.len()],
                registrations,
                states: None,
                verdicts: None,
                sight: Sight::Whole,
                range,
                revision: 7,
            };
            let json = (0..).map_while(|number| shown.portion(number)).collect::<Vec<_>>().concat();
            let list: Services = serde_json::from_slice(&json).unwrap();
            let ports = shown.registrations.iter().map(|known| known.port.number());
            assert!(list.services.iter().map(|service| service.port).eq(ports), "{count}");
            assert_eq!((list.range.used, list.revision), (count, 7));
            assert!(json.ends_with(b"\"revision\":7}\n"));
        }
    }
}
