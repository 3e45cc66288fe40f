//! Decides each request: the rules of the registry. Nothing is changed here.
//!
//! Pure but for the claim of a port. A decision that fails gives no operation, and its claim is
//! dropped with it.

use std::collections::HashSet;
use std::sync::Arc;

use super::claims::Claims;
use super::model::Model;
use super::project_set;
use super::{ChangeError, Existing, RegisterOptions, Registered, Target};
use crate::dump;
use crate::dump_file;
use crate::port::Port;
use crate::probe::Hold;
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::store::Operation;
use crate::timestamp::Timestamp;

/// The decision on one request that is not refused.
#[derive(Debug, Default)]
pub(super) struct Decision<T> {
    /// What has to be stored, in this order.
    pub(super) operations: Vec<Operation>,
    /// The holds on the ports that were claimed.
    pub(super) holds: Vec<(Port, Hold)>,
    /// What is answered once the operations are on disk.
    pub(super) answer: T,
}

/// Registers a service, or changes what the options say of a registered one.
pub(super) fn register(
    model: &Model,
    claims: &mut Claims<'_>,
    service: ServiceName,
    options: RegisterOptions,
) -> Result<Decision<Registered>, ChangeError> {
    match model.of_service(service.as_ref()) {
        Some(known) => update(model, claims, known, &options),
        None => insert(model, claims, service, options),
    }
}

fn update(
    model: &Model,
    claims: &Claims<'_>,
    known: &Arc<Registration>,
    options: &RegisterOptions,
) -> Result<Decision<Registered>, ChangeError> {
    let (service, port) = (&known.service, known.port);
    if options.existing == Existing::Refuse {
        return Err(ChangeError::NotNew { service: service.clone(), port });
    }
    let registration = options.applied_to(known);
    let (registration, operations) = match options.port.filter(|wanted| *wanted != port) {
        Some(wanted) if options.existing == Existing::Move => {
            let port = claims.check_unregistered(model, wanted, service)?;
            let moved = Arc::new(Registration { port, ..Registration::clone(&registration) });
            let operations =
                vec![Operation::Remove(Arc::clone(known)), Operation::Insert(Arc::clone(&moved))];
            (moved, operations)
        }
        Some(wanted) => {
            return Err(ChangeError::OtherPort {
                service: service.clone(),
                registered: port,
                wanted,
            });
        }
        None if registration == *known => (registration, Vec::new()),
        None => {
            let operation = Operation::Update(Arc::clone(known), Arc::clone(&registration));
            (registration, vec![operation])
        }
    };
    check_size(model, &operations)?;
    let answer = Registered { registration, is_new: false };
    Ok(Decision { operations, holds: Vec::new(), answer })
}

fn insert(
    model: &Model,
    claims: &mut Claims<'_>,
    service: ServiceName,
    options: RegisterOptions,
) -> Result<Decision<Registered>, ChangeError> {
    let (port, hold) = match options.port {
        // It is not probed: the service may be running on it, or starting.
        Some(port) => (claims.check_unregistered(model, port, &service)?, None),
        None => match claims.remembered(model, &service, None) {
            // Nor is this one: the service may still run on it.
            Some(port) => (port, None),
            None => {
                let (port, hold) = claims.lowest_free()?;
                (port, Some((port, hold)))
            }
        },
    };
    let registration = Arc::new(Registration {
        service,
        port,
        addresses: options.addresses.unwrap_or_default(),
        created_at: Timestamp::now(),
        hold: options.hold.unwrap_or(true),
        folder: None,
    });
    let operations = vec![Operation::Insert(Arc::clone(&registration))];
    check_size(model, &operations)?;
    let answer = Registered { registration, is_new: true };
    Ok(Decision { operations, holds: hold.into_iter().collect(), answer })
}

/// Gives a service another name; all else stays.
pub(super) fn rename(
    model: &Model,
    service: ServiceName,
    to: ServiceName,
) -> Result<Decision<Arc<Registration>>, ChangeError> {
    let Some(known) = model.of_service(service.as_ref()) else {
        return Err(ChangeError::NotRegistered(Target::Service(service)));
    };
    if service == to {
        let answer = Arc::clone(known);
        return Ok(Decision { operations: Vec::new(), holds: Vec::new(), answer });
    }
    if let Some(other) = model.of_service(to.as_ref()) {
        return Err(ChangeError::NameTaken { service: to, port: other.port });
    }
    if let Some(folder) = project_set::other_checkout(model, known, &to) {
        return Err(ChangeError::OtherCheckout { service: to, folder });
    }
    let renamed = Arc::new(Registration { service: to, ..Registration::clone(known) });
    let operations = vec![Operation::Update(Arc::clone(known), Arc::clone(&renamed))];
    check_size(model, &operations)?;
    Ok(Decision { operations, holds: Vec::new(), answer: renamed })
}

/// Releases services, all or none; the answer is what their registrations were.
pub(super) fn release(
    model: &Model,
    targets: Vec<Target>,
) -> Result<Decision<Vec<Arc<Registration>>>, ChangeError> {
    let (mut released, mut ports) = (Vec::new(), HashSet::new());
    for target in targets {
        let found = match &target {
            Target::Port(port) => model.at_port(*port),
            Target::Service(service) => model.of_service(service.as_ref()),
        };
        let registration = found.cloned().ok_or(ChangeError::NotRegistered(target))?;
        // A service may be named twice, by its name and by its port.
        if ports.insert(registration.port) {
            released.push(registration);
        }
    }
    Ok(removal(released))
}

/// Releases those services that are registered exactly like this still; the answer is which.
pub(super) fn prune(
    model: &Model,
    mut gone: Vec<Arc<Registration>>,
) -> Decision<Vec<Arc<Registration>>> {
    gone.retain(|known| model.of_service(known.service.as_ref()) == Some(known));
    removal(gone)
}

fn removal(released: Vec<Arc<Registration>>) -> Decision<Vec<Arc<Registration>>> {
    let operations = released.iter().cloned().map(Operation::Remove).collect();
    Decision { operations, holds: Vec::new(), answer: released }
}

/// Makes sure that a dump of the registry can still be read after these operations. What makes the
/// registry no larger is always allowed.
pub(super) fn check_size(model: &Model, operations: &[Operation]) -> Result<(), ChangeError> {
    let bytes = |registration: Option<&Arc<Registration>>| {
        registration.map_or(0, |registration| dump::max_line_bytes(registration))
    };
    let less: usize = operations.iter().map(|operation| bytes(operation.before())).sum();
    let more: usize = operations.iter().map(|operation| bytes(operation.after())).sum();
    match more <= less || dump_file::fits(model.line_bytes() - less + more) {
        true => Ok(()),
        false => Err(ChangeError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addresses::Addresses;
    use crate::port::PortRange;
    use crate::probe::Claimer;
    use crate::registry::remembered::Remembered;
    use crate::seal::Seal;

    /// A registration whose line in a dump is as long as can be.
    fn longest(port: Port) -> Registration {
        let service = format!("{:05}{}", port.number(), "n".repeat(250));
        Registration {
            service: ServiceName::parse(service).unwrap(),
            port,
            addresses: Addresses::parse("a".repeat(2048)).unwrap(),
            created_at: Timestamp::now(),
            hold: true,
            folder: None,
        }
    }

    /// The largest model that a dump can hold, of long lines.
    fn full_model() -> Model {
        let ports = (1..=u16::MAX).filter_map(Port::new);
        let line_bytes = dump::max_line_bytes(&longest(Port::MIN));
        let fit = ports.zip(1..).take_while(|(_, count)| dump_file::fits(count * line_bytes));
        Model::new(fit.map(|(port, _)| longest(port)).collect(), Seal::of(1, []))
    }

    #[test]
    fn a_refused_registration_gives_no_operation_and_leaves_no_hold() {
        let model = full_model();
        let port_range =
            PortRange::new(Port::new(8_000).unwrap(), Port::new(9_999).unwrap()).unwrap();
        let mut claimer = Claimer::default();
        let mut remembered = Remembered::default();
        let mut claims = Claims::new(&model, port_range, Port::MAX, &mut claimer, &mut remembered);
        let (lowest, hold) = claims.lowest_free().unwrap();
        drop(hold);
        let addresses = Some(Addresses::parse("a".repeat(2048)).unwrap());
        let options = RegisterOptions { addresses, ..RegisterOptions::default() };
        let service = ServiceName::parse("n".repeat(255)).unwrap();
        let refused = register(&model, &mut claims, service, options).map(|it| it.operations);
        assert_eq!(refused, Err(ChangeError::TooLarge));
        // The port that was claimed for it is free again, and is given to the next.
        assert_eq!(claims.lowest_free().unwrap().0, lowest);
    }

    #[test]
    fn a_registry_that_a_dump_cannot_hold_only_shrinks() {
        let model = full_model();
        let mut claimer = Claimer::default();
        let port_range = PortRange::new(Port::MIN, Port::MAX).unwrap();
        let mut remembered = Remembered::default();
        let mut claims = Claims::new(&model, port_range, Port::MAX, &mut claimer, &mut remembered);
        let known = longest(Port::MIN).service;
        let mut with_addresses = |addresses: &str| {
            let addresses = Some(Addresses::parse(addresses).unwrap());
            let options = RegisterOptions { addresses, ..RegisterOptions::default() };
            register(&model, &mut claims, known.clone(), options).map(|it| it.operations.len())
        };
        assert_eq!(with_addresses("a"), Ok(1));
        // As long as before.
        assert_eq!(with_addresses(&"b".repeat(2048)), Ok(1));
        assert!(release(&model, vec![Target::Service(known.clone())]).is_ok());
        // The dump of just one more would be too large.
        let insert = Operation::Insert(Arc::new(longest(Port::MAX)));
        assert_eq!(check_size(&model, std::slice::from_ref(&insert)), Err(ChangeError::TooLarge));
        let released = Operation::Remove(Arc::clone(model.at_port(Port::MIN).unwrap()));
        assert_eq!(check_size(&model, &[released, insert]), Ok(()));
    }
}
