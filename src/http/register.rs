//! Registers a service for `/set` and for `PUT /v1/services/NAME`; where no port is left, finds out
//! what uses those that others have.

use actix_web::web::Data;

use super::blocking::run_blocking;
use super::error::HttpError;
use super::v1::shapes;
use super::viewers::Sight;
use crate::probe::PortState;
use crate::registry::{ChangeError, RegisterOptions, Registered, Registry};
use crate::service_name::ServiceName;

/// Registers a service; on return the change is on disk.
///
/// # Errors
/// The registry refused. If no port is left, the error says what uses the first occupied ones.
pub(super) async fn register(
    registry: &Data<Registry>,
    service: ServiceName,
    options: RegisterOptions,
) -> Result<Registered, HttpError> {
    let error = match registry.register(service, options).await {
        Ok(registered) => return Ok(registered),
        Err(error) => error,
    };
    let ChangeError::Exhausted { first_occupied, .. } = &error else { return Err(error.into()) };
    let (ports, registry) = (first_occupied.clone(), Data::clone(registry));
    let occupied = run_blocking(move || {
        let states = registry.states(&ports);
        let state = |port| states.get(&port).unwrap_or(&PortState::Free);
        // Who was let in to register may see it.
        let shown = |port| shapes::port(port, state(port), None, Sight::Whole);
        ports.into_iter().map(shown).collect()
    });
    let occupied = occupied.await?;
    Err(HttpError::Exhausted { error, occupied })
}
