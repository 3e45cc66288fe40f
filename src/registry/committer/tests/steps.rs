//! Random changes, restarts and losses.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{addresses, max, min, port};
use crate::registry::{Existing, ImportMode, RegisterOptions};

#[derive(Debug, Clone)]
pub(super) enum Action {
    /// These requests wait for the committer at the same time.
    Requests(Vec<Step>),
    /// pald ends and starts again.
    Restart,
    /// A prune of these services, counted in the order of their ports.
    Prune(BTreeSet<usize>),
    /// The store is lost while pald is not running, and the dump is not.
    LoseStore(Loss),
}

/// How the store is lost.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// It is gone.
    Removed,
    /// Its data file is gone.
    Damaged,
    /// A restore was interrupted, after the damaged store was set aside.
    SetAside,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Register {
        service: u8,
        options: RegisterOptions,
    },
    ReleasePort(u16),
    ReleaseService(u8),
    /// One of these gets the name of a service without a checkout: the service, or that of a project.
    Rename {
        service: u8,
        label: Option<&'static str>,
        to: u8,
    },
    /// A checkout in this folder sets these services of its project.
    Set {
        folder: u8,
        services: BTreeSet<u8>,
    },
    Import {
        entries: BTreeMap<u8, u16>,
        mode: ImportMode,
        dry_run: bool,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    let ports = || min() - 2..=max() + 2;
    let mode = prop_oneof![Just(ImportMode::Merge), Just(ImportMode::Replace)];
    let options = (
        proptest::option::weighted(0.2, ports()),
        proptest::option::weighted(0.2, 0u8..3),
        proptest::option::weighted(0.2, any::<bool>()),
        prop_oneof![
            8 => Just(Existing::Accept),
            1 => Just(Existing::Move),
            1 => Just(Existing::Refuse),
        ],
    );
    let options = options.prop_map(|(number, address, hold, existing)| RegisterOptions {
        port: number.map(port),
        addresses: address.map(addresses),
        hold,
        existing,
    });
    prop_oneof![
        8 => (0u8..12, options)
            .prop_map(|(service, options)| Step::Register { service, options }),
        3 => ports().prop_map(Step::ReleasePort),
        3 => (0u8..4, proptest::collection::btree_set(0u8..3, 1..4))
            .prop_map(|(folder, services)| Step::Set { folder, services }),
        3 => (0u8..12).prop_map(Step::ReleaseService),
        3 => (0u8..12, proptest::option::weighted(0.3, prop_oneof![Just(""), Just("x.")]), 0u8..12)
            .prop_map(|(service, label, to)| Step::Rename { service, label, to }),
        1 => (proptest::collection::btree_map(0u8..12, ports(), 1..4), mode, any::<bool>())
            .prop_map(|(entries, mode, dry_run)| Step::Import {
                entries: distinct_ports(entries), mode, dry_run
            }),
    ]
}

/// The entries without those whose port an earlier one has.
fn distinct_ports(entries: BTreeMap<u8, u16>) -> BTreeMap<u8, u16> {
    let mut seen = BTreeSet::new();
    entries.into_iter().filter(|(_, number)| seen.insert(*number)).collect()
}

pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        16 => proptest::collection::vec(steps(), 1..8).prop_map(Action::Requests),
        1 => Just(Action::Restart),
        1 => proptest::collection::btree_set(0usize..8, 1..4).prop_map(Action::Prune),
        1 => prop_oneof![Just(Loss::Removed), Just(Loss::Damaged), Just(Loss::SetAside)]
            .prop_map(Action::LoseStore),
    ];
    proptest::collection::vec(action, 1..24)
}
