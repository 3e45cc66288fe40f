//! Services by the names that people type.

use super::Failure;
use crate::api::ProblemType;
use crate::client::{Client, ClientError};
use crate::service_name::ServiceName;
use crate::suggest::nearest;

/// An answer about a service; where there is none of this name, the failure offers the nearest.
pub(super) fn named<T>(
    client: &Client,
    service: &ServiceName,
    answer: Result<T, ClientError>,
) -> Result<T, Failure> {
    answer.map_err(|error| {
        let is_unknown =
            matches!(&error, ClientError::Problem(it) if it.kind == ProblemType::NotFound);
        let near = if is_unknown { nearest_to(client, service) } else { None };
        let mut failure = Failure::from(error);
        if let Some(near) = near {
            let rest = failure.hint.map(|hint| format!(" {hint}"));
            failure.hint = Some(format!("Did you mean {near}?{}", rest.unwrap_or_default()));
        }
        failure
    })
}

/// The registered service that was probably meant. Where that can't be found out, the first answer
/// has to do.
fn nearest_to(client: &Client, service: &ServiceName) -> Option<String> {
    let services = client.registered_services().ok()?.services;
    nearest(service.as_str(), services.into_iter().map(|service| service.name))
}
