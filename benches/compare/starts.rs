//! How soon after its start does pald answer, and how soon does it end?

use crate::pald::{ANY_LOOKUP, Home, RANGE};
use crate::table::{Bar, Figures, Table, millis};

const ROUNDS: usize = 7;

pub(crate) fn compare(table: &mut Table) {
    for (services, bar) in
        [(0, Bar::None), (800, Bar::None), (16_000, Bar::AtMost(200.0)), (60_000, Bar::None)]
    {
        let home = Home::new(services, RANGE);
        // The very first start imports the dump.
        home.start_and_settle().terminate();
        let (mut starts, mut ends) = (Figures::default(), Figures::default());
        for _ in 0..ROUNDS {
            let server = home.start();
            starts.push(millis(server.wait_for_answer(ANY_LOOKUP)));
            server.settle();
            ends.push(millis(server.terminate()));
        }
        let start = format!("start to first answer with {services} services, ms");
        table.row(&start, &starts, bar, "");
        let end = format!("SIGTERM to exit with {services} services, ms");
        table.row(&end, &ends, Bar::AtMost(1000.0), "");
    }
}
