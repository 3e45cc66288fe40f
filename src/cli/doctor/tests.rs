use super::*;
use crate::api::{
    DumpHealth, HealthStatus, HoldsHealth, RangeUsage, Service, Services, State, StoreHealth,
};

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

fn health() -> Health {
    let holds = HoldsHealth { max: 99, held: 1, missing: Vec::new() };
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
    }
}

fn services() -> Services {
    let service = Service {
        name: "shop".into(),
        port: 49201,
        addresses: Vec::new(),
        created_at: "2026-11-22T10:00:00Z".into(),
        hold: true,
        folder: None,
        state: Some(State::Idle),
        reason: None,
        reason_code: None,
        holder: None,
        holders: Vec::new(),
        held: false,
    };
    let range = RangeUsage { min: 49201, max: 49999, used: 1, free: 798 };
    Services { services: vec![service], range, revision: 1 }
}

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
        (
            (49201, 49999),
            true,
            "49201-49999 lies inside",
            "TCP ports are held, UDP is not protected",
        ),
        ((32768, 60999), false, "32768-60999 lies inside", "neither TCP nor UDP is protected"),
        ((30000, 33000), true, "30000-33000 overlaps", "TCP ports are held, UDP is not protected"),
        ((60000, 61000), true, "60000-61000 overlaps", "TCP ports are held, UDP is not protected"),
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
        let holds = HoldsHealth { max, held: 0, missing: missing.into() };
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
