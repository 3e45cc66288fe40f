use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use std::{fs, io};

use rustix::net::{AddressFamily, SocketType};

use super::*;
use crate::api::{
    DumpHealth, HealthStatus, Holder, HoldsHealth, RangeUsage, RefusalCause, RefusedHold, Service,
    Services, State, StoreHealth,
};
use crate::paths::Paths;
use crate::users::Users;

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
    assert_eq!(examine(&stale, 10), "ok    store    1 service, dump written 21 s ago\n");
    stale.dump.written_at = Some("2026-11-22T10:00:00Z".into());
    assert_eq!(examine(&stale, 11), "ok    store    1 service, dump written 11 s ago\n");
    assert_eq!(examine(&stale, 0), "ok    store    1 service, dump written 0 s ago\n");
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

#[test]
fn a_port_that_its_service_cannot_use_is_told_with_what_blocks_it() {
    let blocked = |reason: Option<&str>, holders: Vec<Holder>| Service {
        state: Some(State::Blocked),
        reason: reason.map(str::to_owned),
        holders,
        ..Service::sample("shop", 7)
    };
    let holder = Holder {
        pid: Some(8),
        process: Some("dnsmasq".to_owned()),
        command: None,
        user: "root".to_owned(),
        since: None,
        folder: None,
        service: None,
    };
    let rows = [
        (blocked(None, Vec::new()), "7 (shop) is blocked by something"),
        (blocked(Some("a UDP socket"), Vec::new()), "7 (shop) is blocked by a UDP socket"),
        (
            blocked(Some("a UDP socket"), vec![holder]),
            "7 (shop) is blocked by a UDP socket: dnsmasq (pid 8)",
        ),
    ];
    for (service, expected) in rows {
        let services = Services { services: vec![service], ..services() };
        let expected = format!("warn  port     {expected}\n      hint: pald who 7\n");
        assert_eq!(shown(ports::examine(&services)), expected);
    }
}

#[test]
fn a_dump_without_a_pald_is_told_by_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let now = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
    assert_eq!(store::check_dump(&path, now), None);
    let file = fs::File::create(&path).unwrap();
    let future = "\
warn  dump     was written at 2026-11-22T10:00:01Z, which is in the future: the clock was changed
      hint: timedatectl
";
    let rows = [
        (-4, "ok    dump     written 4 s ago; store not checked\n"),
        (0, "ok    dump     written 0 s ago; store not checked\n"),
        (1, future),
    ];
    for (seconds, expected) in rows {
        let unix = now.unix_seconds().checked_add_signed(seconds).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(unix)).unwrap();
        assert_eq!(shown(store::check_dump(&path, now)), expected);
    }
}

#[test]
fn where_pald_does_not_answer_the_program_in_its_place_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = format!(
        "port_listen = {port}\nport_min = 1\nport_max = {}\ndump_file = \"/none/dump\"\n",
        port - 1
    );
    let paths = Paths { system_file: "/none".into(), home: Some("/none".into()) };
    let config = Config::of_file(Path::new("c"), settings.as_bytes(), &paths).unwrap();
    let found = |url: Url, config: Option<&Config>| {
        let client = Client::new(url.clone(), Users::default());
        shown(check_down(&client, &ClientError::NotListening { url }, config))
    };
    let own = || Url::of_port(config.port_listen);
    let unreachable = |url: Url| {
        format!(
            "fault daemon   Nothing answers at {url}\n      \
             hint: Start pald with `pald start`, or in the foreground with `pald`\n"
        )
    };
    let in_use = match probe::listener_on(listener.local_addr().unwrap()) {
        Some(holder) => format!(
            "fault daemon   127.0.0.1:{port} is in use by {holder}\n      \
             hint: Stop it or set another `port_listen`, then run `pald start`\n"
        ),
        None => unreachable(own()),
    };
    let lies = "warn  range    1-";
    assert_eq!(found(own(), None), unreachable(own()));
    let told = found(own(), Some(&config));
    assert!(told.starts_with(&in_use), "{told}");
    let other = Url::of_port(Port::MIN);
    let told = found(other.clone(), Some(&config));
    assert!(told.starts_with(&unreachable(other)), "{told}");
    // Nearly all machines take ports for connections from above 1023.
    if probe::overlap(config.port_range, config.port_listen).is_some() {
        assert!(told.contains(lies) && told.contains("TCP ports are held"), "{told}");
    }
    drop(listener);
}

#[test]
fn a_range_that_overlaps_this_machine_s_is_told_with_the_command() {
    let client = Client::new(Url::of_port(Port::MIN), Users::default());
    let all = RangeUsage { min: 1, max: 65535, used: 0, free: 0 };
    let whole = PortRange::new(Port::MIN, Port::new(65535).unwrap()).unwrap();
    let Some(overlap) = probe::overlap(whole, Port::MIN) else { return };
    let (first, last) = (overlap.ephemeral.min(), overlap.ephemeral.max());
    let rows = [(0, "neither TCP nor UDP is protected"), (1, HELD), (9, HELD)];
    for (max, protected) in rows {
        let holds = HoldsHealth { max, ..health().holds };
        let found = super::overlap(&client, &Health { holds, ..health() }, all);
        let expected = format!(
            "warn  range    1-65535 overlaps the kernel's ephemeral range {first}-{last}; \
             {protected}\n      hint: {}\n",
            overlap.command()
        );
        assert_eq!(shown(found), expected);
    }
    let nowhere = RangeUsage { min: 0, ..all };
    assert_eq!(super::overlap(&client, &health(), nowhere), None);
}

#[test]
fn an_address_where_this_pald_does_not_answer_is_another_program_s() {
    // Bound, and not listened on: connections are refused.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    rustix::net::bind(&socket, &any).unwrap();
    let bound: SocketAddr = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    let addresses = vec![bound.to_string(), "192.0.2.1:7".to_owned(), "nowhere".to_owned()];
    let client = Client::new(Url::of_port(Port::MIN), Users::default());
    let health = Health { addresses, ..health() };
    assert_eq!(daemon::foreign_addresses(&health, &client), [bound]);
}

#[test]
fn whose_program_answers_is_asked_of_the_system() {
    let url = Url::parse("http://localhost:7").unwrap();
    let asked = match probe::TELLS_USERS {
        true => "sudo ss -ltnp 'sport = :7'",
        false => "sudo lsof -nP -iTCP:7 -sTCP:LISTEN",
    };
    let rows = [
        (
            UnknownUser::Elsewhere,
            "it is not a program on this machine, or a redirect leads to it",
            "Make sure that you trust that address",
        ),
        (UnknownUser::Unmapped, "this user namespace has no users", asked),
    ];
    for (reason, why, hint) in rows {
        let expected = format!(
            "warn  daemon   can't tell whose program answers at http://localhost:7: {why}\n      hint: {hint}\n"
        );
        assert_eq!(shown([daemon::unknown_user(&url, &reason)]), expected);
    }
    let error = ClientError::Unreachable { url, source: io::ErrorKind::HostUnreachable.into() };
    let unreachable = shown([daemon::unreachable(&error)]);
    assert!(unreachable.starts_with("fault daemon   "), "{unreachable}");
    assert!(unreachable.ends_with("\n      hint: pald status\n"), "{unreachable}");
}
