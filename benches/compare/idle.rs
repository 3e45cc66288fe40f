//! What does pald take from a machine on which nobody asks it anything?

use std::thread;
use std::time::Duration;

use crate::pald::{Home, RANGE};
use crate::table::{Bar, Figures, Table};

const SECONDS: u32 = 12;

pub(crate) fn compare(table: &mut Table) {
    // (services, bar of the memory in MB)
    let rows = [
        (0, Bar::None),
        (800, Bar::AtMost(10.0)),
        (16_000, Bar::None),
        (60_000, Bar::AtMost(60.0)),
    ];
    for (services, memory_bar) in rows {
        let home = Home::new(services, RANGE);
        home.start_and_settle().terminate();
        let server = home.start_and_settle();
        thread::sleep(Duration::from_secs(1));
        let (cpu, wake_ups, threads) =
            (server.cpu_nanos(), server.wake_ups(), server.wake_ups_by_thread());
        thread::sleep(Duration::from_secs(SECONDS.into()));
        let once = |figure: u64, scale: f64| {
            Figures::from_iter([f64::from(u32::try_from(figure).unwrap()) * scale])
        };
        let wake_ups = once(server.wake_ups() - wake_ups, 1.0 / f64::from(SECONDS));
        let cpu = once(server.cpu_nanos() - cpu, 1e-7 / f64::from(SECONDS));
        let memory = once(server.resident_kib(), 1024e-6);
        let busy = server.wake_ups_by_thread().into_iter().zip(threads);
        let busy = busy.filter(|(now, before)| now.1 > before.1);
        let busy: Vec<_> =
            busy.map(|(now, before)| format!("{} {}", now.0, now.1 - before.1)).collect();
        let of = format!("{} threads, {} descriptors", server.threads(), server.descriptors());
        let row = format!("memory, idle with {services} services, MB");
        table.row(&row, &memory, memory_bar, &of);
        let row = format!("wake-ups, idle with {services} services, 1/s");
        let by = format!("in {SECONDS} s: {}", busy.join(", "));
        table.row(&row, &wake_ups, Bar::Below(15.0), &by);
        let row = format!("CPU, idle with {services} services, %");
        table.row(&row, &cpu, Bar::Below(0.1), "");
    }
}
