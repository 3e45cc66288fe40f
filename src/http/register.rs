//! Registers a service for `/set` and for `PUT /v1/services/NAME`; where no port is left, finds out
//! what uses those that others have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use tokio::sync::Mutex;

use super::blocking::run_blocking;
use super::error::HttpError;
use super::v1::shapes;
use crate::port::Port;
use crate::probe::PortState;
use crate::registry::{ChangeError, RegisterOptions, Registered, Registry};
use crate::service_name::ServiceName;

/// How old the answer about occupied ports may be.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Registers a service; on return the change is on disk.
///
/// # Errors
/// The registry refused. If no port is left, the error says what uses the first occupied ones.
pub(super) async fn register(
    registry: &Data<Registry>,
    occupied_ports: &OccupiedPorts,
    service: ServiceName,
    options: RegisterOptions,
) -> Result<Registered, HttpError> {
    let error = match registry.register(service, options).await {
        Ok(registered) => return Ok(registered),
        Err(error) => error,
    };
    let ChangeError::Exhausted { first_occupied, .. } = &error else { return Err(error.into()) };
    let (ports, registry) = (first_occupied.clone(), Data::clone(registry));
    let occupied = occupied_ports.states(ports, move |port| registry.state(port)).await?;
    let occupied = occupied.iter().map(|(port, state)| shapes::port(*port, state, None)).collect();
    Err(HttpError::Exhausted { error, occupied })
}

/// What uses occupied ports, remembered for a second.
///
/// Finding out walks over all processes of the machine, and many requests can be refused at once.
#[derive(Debug, Default)]
pub(super) struct OccupiedPorts {
    last: Arc<Mutex<Option<Look>>>,
}

#[derive(Debug)]
struct Look {
    made_at: Instant,
    states: Vec<(Port, PortState)>,
}

impl OccupiedPorts {
    /// Finds out what uses these ports, as of up to a second ago.
    ///
    /// Requests that ask at the same time wait for one look.
    async fn states(
        &self,
        ports: Vec<Port>,
        state: impl Fn(Port) -> PortState + Send + 'static,
    ) -> Result<Vec<(Port, PortState)>, HttpError> {
        if ports.is_empty() {
            return Ok(Vec::new());
        }
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some(Look { made_at, states }) = last.as_ref()
            && made_at.elapsed() < MAX_AGE
            && states.iter().map(|(port, _)| port).eq(&ports)
        {
            return Ok(states.clone());
        }
        // The lock goes along: if this request is abandoned meanwhile, the next one waits for the
        // look under way and does not start a second one beside it.
        run_blocking(move || {
            let states: Vec<_> = ports.into_iter().map(|port| (port, state(port))).collect();
            *last = Some(Look { made_at: Instant::now(), states: states.clone() });
            states
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    /// Each refused request had its own walk over /proc, and the committer waited for it.
    #[test]
    fn requests_that_are_refused_at_once_share_one_look() {
        let ports = |numbers: &[u16]| -> Vec<Port> {
            numbers.iter().map(|number| Port::new(*number).unwrap()).collect()
        };
        actix_web::rt::System::new().block_on(async {
            let (occupied_ports, looks) = (OccupiedPorts::default(), Arc::new(AtomicUsize::new(0)));
            let ask = |ports: Vec<Port>| {
                let looks = Arc::clone(&looks);
                occupied_ports.states(ports, move |_| {
                    looks.fetch_add(1, Ordering::Relaxed);
                    PortState::Free
                })
            };
            // Abandoned in the middle of the look.
            assert!(ask(ports(&[1])).now_or_never().is_none());
            let answers = join_all((0..256).map(|_| ask(ports(&[1])))).await;
            for answer in answers {
                assert_eq!(answer.unwrap(), [(Port::MIN, PortState::Free)]);
            }
            assert_eq!(looks.load(Ordering::Relaxed), 1);

            assert_eq!(ask(ports(&[1, 2])).await.unwrap().len(), 2);
            assert_eq!(looks.load(Ordering::Relaxed), 3);
            assert_eq!(ask(ports(&[])).await.unwrap(), []);
            assert_eq!(looks.load(Ordering::Relaxed), 3);
        });
    }
}
