use super::*;
use crate::api::{
    DumpHealth, HealthStatus, HoldsHealth, RangeUsage, RefusalCause, RefusedHold, Service,
    Services, State, StoreHealth,
};

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

fn health() -> Health {
    let holds = HoldsHealth { max: 99, held: 1, missing: Vec::new(), refused: Vec::new() };
    let dump = DumpHealth {
        path: Some("~/.pald/dump".into()),
        written_at: Some("2026-11-22T10:00:04Z".into()),
        error: None,
    };
    Health {
        status: HealthStatus::Ok,
        version: OWN_VERSION.into(),
        pid: 4121,
        uptime_s: 7,
        revision: 1,
        services: 1,
        addresses: ["127.0.0.1:49200", "[::1]:49200"].map(str::to_owned).into(),
        store: StoreHealth { path: Some("~/.pald/db".into()), error: None },
        dump,
        holds,
        overlap: None,
        warnings: Vec::new(),
    }
}

fn services() -> Services {
    let service = Service { state: Some(State::Idle), ..Service::sample("shop", 49201) };
    let range = RangeUsage { min: 49201, max: 49999, used: 1, free: 798 };
    Services { services: vec![service], range, revision: 1 }
}

/// How ports are protected where pald holds them.
const HELD: &str = "TCP ports are held, but not against Docker's dynamic ports (`-p 0:80`), and UDP is not protected";

fn shown(findings: impl IntoIterator<Item = Finding>) -> String {
    findings.into_iter().flat_map(|finding| finding.lines()).map(|line| line + "\n").collect()
}

#[test]
fn a_daemon_is_well_if_it_alone_answers_and_has_this_version() {
    let own = format!("ok    daemon   {OWN_VERSION}, pid 4121, on 127.0.0.1 and [::1]\n");
    assert_eq!(shown(daemon::examine(&health(), &[], "again")), own);
    let other_program = "\
fault daemon   Another program answers at [::1]:49200, where pald (pid 4121) listens
      hint: Find it with `pald who 49200`, and stop it
";
    assert_eq!(
        shown(daemon::examine(&health(), &["[::1]:49200".parse().unwrap()], "again")),
        other_program
    );
    let old = Health { version: "0.0.9".into(), ..health() };
    let other = format!(
        "warn  daemon   0.0.9, pid 4121, on 127.0.0.1 and [::1]; this program is {OWN_VERSION}\n      hint: again\n"
    );
    assert_eq!(shown(daemon::examine(&old, &[], "again")), other);
}

#[test]
fn a_store_or_dump_that_cannot_be_written_is_a_fault_and_an_odd_clock_a_warning() {
    let now = |seconds: u64| {
        let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        Timestamp::from_unix_seconds(start.unix_seconds() + seconds).unwrap()
    };
    let examine = |health: &Health, seconds| {
        shown(store::examine(health, &services(), now(seconds), "again"))
    };
    assert_eq!(examine(&health(), 8), "ok    store    1 service, dump written 4 s ago\n");

    let mut failed = health();
    failed.store.error = Some("No space".into());
    failed.dump.error = Some("Read-only".into());
    let faults = "\
fault store    ~/.pald/db accepts no changes: No space
      hint: Fix that first (`df -h` shows free space), then: again
fault dump     ~/.pald/dump can't be written: Read-only
      hint: ls -ld ~/.pald
";
    assert_eq!(examine(&failed, 8), faults);

    let future = "\
warn  dump     was written at 2026-11-22T10:00:04Z, which is in the future: the clock was changed
      hint: timedatectl
";
    assert_eq!(examine(&health(), 3), future);
    let mut stale = health();
    stale.dump.written_at = Some("2026-11-22T09:59:49Z".into());
    let lag = "\
warn  dump     was written at 2026-11-22T09:59:49Z, before shop was registered at 2026-11-22T10:00:00Z
      hint: again
";
    assert_eq!(examine(&stale, 11), lag);
    // The dump follows a change within a second, however long it stood before.
    assert_eq!(examine(&stale, 8), "ok    store    1 service, dump written 19 s ago\n");
    stale.dump.written_at = None;
    assert_eq!(examine(&stale, 8), "ok    store    1 service, dump not written yet\n");
}

#[test]
fn the_range_is_inside_the_kernels_or_overlaps_it() {
    let reserve = "sudo sysctl -w net.ipv4.ip_local_reserved_ports=49200-49999";
    let rows = [
        ((49201, 49999), true, "49201-49999 lies inside", HELD),
        ((32768, 60999), false, "32768-60999 lies inside", "neither TCP nor UDP is protected"),
        ((30000, 33000), true, "30000-33000 overlaps", HELD),
        ((60000, 61000), true, "60000-61000 overlaps", HELD),
    ];
    for (range, is_held, start, end) in rows {
        let expected = format!(
            "warn  range    {start} the kernel's ephemeral range 32768-60999; {end}\n      hint: {reserve}\n"
        );
        assert_eq!(shown([range::examine(range, (32768, 60999), reserve, is_held)]), expected);
    }
}

#[test]
fn ports_that_are_not_held_are_named_and_so_is_a_limit_that_is_too_low() {
    let holds = |max, missing: &[u16], is_wanted| {
        let holds = HoldsHealth { max, held: 0, missing: missing.into(), refused: Vec::new() };
        shown(ports::holds(&Health { services: 9, holds, ..health() }, is_wanted))
    };
    assert_eq!(holds(9, &[], true), "");
    assert_eq!(holds(0, &[], false), "");
    let many: Vec<_> = (1..=12).collect();
    let missing = "\
warn  holds    not held, because other programs use them: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 2 more
      hint: pald who 1
";
    assert_eq!(holds(99, &many, true), missing);
    let limit = "\
warn  limit    the limit on open files lets pald hold 8 of 9 ports
      hint: Set LimitNOFILE=65536 with `systemctl --user edit pald.service`, or run `ulimit -n 65536` before `pald`
";
    assert_eq!(holds(8, &[], true), if probe::HOLDS_PORTS { limit } else { "" });
}

/// A hold that failed for want of descriptors was blamed on other programs.
#[test]
fn a_hold_that_the_system_refuses_is_told_with_its_cause() {
    let refused = |port, cause, error: &str| RefusedHold { port, cause, error: error.to_owned() };
    let holds = HoldsHealth {
        max: 99,
        held: 0,
        missing: vec![1, 2, 3, 4],
        refused: vec![
            refused(2, RefusalCause::OpenFiles, "Too many open files"),
            refused(3, RefusalCause::OpenFiles, "Too many open files"),
            refused(4, RefusalCause::NotPermitted, "Permission denied"),
        ],
    };
    let expected = "\
warn  holds    not held, because other programs use them: 1
      hint: pald who 1
warn  holds    not held, because the system refuses (Too many open files): 2, 3
      hint: Set LimitNOFILE=65536 with `systemctl --user edit pald.service`, or run `ulimit -n 65536` before `pald`
warn  holds    not held, because the system refuses (Permission denied): 4
      hint: sysctl net.ipv4.ip_unprivileged_port_start
";
    assert_eq!(shown(ports::holds(&Health { services: 9, holds, ..health() }, true)), expected);
}

#[test]
fn held_ports_without_a_server_are_named_and_so_is_what_is_unknown() {
    let all = |count: u16, service: Service| Services {
        services: (1..=count).map(|port| Service { port, ..service.clone() }).collect(),
        ..services()
    };
    let of = |count, service| shown(ports::examine(&all(count, service)));
    let service = services().services.remove(0);
    let held = Service { held: true, ..service.clone() };
    let end =
        "nothing listens. A server that finds its address in use needs `pald run --no-hold`\n";
    assert_eq!(of(1, service.clone()), "");
    assert_eq!(of(1, held.clone()), format!("ok    holds    held for shop (1); {end}"));
    let many = of(12, held);
    let start = "ok    holds    held for shop (1), shop (2), shop (3), ";
    assert!(many.starts_with(start) && many.ends_with(&format!("and 2 more; {end}")), "{many}");
    let reason = Some("there was no time".to_owned());
    let unknown = Service { state: Some(State::Unknown), reason, ..service };
    let expected = "\
warn  port     can't tell what uses 1 (shop), 2 (shop): there was no time
      hint: pald who 1
";
    assert_eq!(of(2, unknown), expected);
}

#[test]
fn what_failed_on_the_machine_is_a_warning() {
    let sick = Health { warnings: vec!["Sockets can't be listed".to_owned()], ..health() };
    let expected = "\
warn  machine  Sockets can't be listed
      hint: See pald's log; it is tried again when it is next needed
";
    assert_eq!(shown(daemon::warnings(&sick)), expected);
    assert_eq!(shown(daemon::warnings(&health())), "");
}
