//! Whether changes reach the store and the dump, and whether the clock agrees.

use std::path::Path;

use super::Finding;
use crate::api::{Health, Services};
use crate::cli::duration::elapsed;
use crate::files::{InShell, Shown, folder_of};
use crate::timestamp::Timestamp;

const SUBJECT: &str = "store";
const DUMP: &str = "dump";
/// How long a service may be missing from the dump. It is written within a second of a change, but
/// a busy machine needs longer.
const MAX_LAG_SECONDS: u64 = 10;

/// Checks the store and the dump of the pald that answers.
pub(super) fn examine(
    health: &Health,
    services: &Services,
    now: Timestamp,
    restart: &str,
) -> Vec<Finding> {
    let written = health.dump.written_at.as_deref().and_then(Timestamp::parse);
    let mut findings = Vec::new();
    if let Some(error) = &health.store.error {
        let path = health.store.path.as_deref().unwrap_or("the store");
        let text = format!("{} accepts no changes: {error}", Shown(path));
        let hint = format!("Fix that first (`df -h` shows free space), then: {restart}");
        findings.push(Finding::fault(SUBJECT, text, hint));
    }
    if let Some(error) = &health.dump.error {
        let path = Path::new(health.dump.path.as_deref().unwrap_or("the dump"));
        let text = format!("{} can't be written: {error}", Shown(path));
        findings.push(Finding::fault(DUMP, text, format!("ls -ld {}", InShell(folder_of(path)))));
    } else if let Some(written) = written {
        findings.extend(clock(written, services, now, restart));
    }
    if findings.is_empty() {
        let count = services.services.len();
        let services = if count == 1 { "service" } else { "services" };
        let when = written
            .map_or("not written yet".to_owned(), |it| format!("written {}", elapsed(it, now)));
        findings.push(Finding::ok(SUBJECT, format!("{count} {services}, dump {when}")));
    }
    findings
}

/// Checks when the dump was written against the clock and the newest service.
fn clock(
    written: Timestamp,
    services: &Services,
    now: Timestamp,
    restart: &str,
) -> Option<Finding> {
    if written > now {
        let text =
            format!("was written at {written}, which is in the future: the clock was changed");
        return Some(Finding::warn(DUMP, text, "timedatectl"));
    }
    let created = |created_at: &str| Timestamp::parse(created_at);
    let newest = services
        .services
        .iter()
        .filter_map(|it| Some((created(&it.created_at)?, &it.name)))
        .max()?;
    let age = now.unix_seconds().saturating_sub(newest.0.unix_seconds());
    (newest.0 > written && age > MAX_LAG_SECONDS).then(|| {
        let text =
            format!("was written at {written}, before {} was registered at {}", newest.1, newest.0);
        Finding::warn(DUMP, text, restart)
    })
}

/// Checks the dump on disk, if pald does not answer.
pub(super) fn check_dump(dump_file: &Path, now: Timestamp) -> Option<Finding> {
    let written = std::fs::metadata(dump_file).and_then(|metadata| metadata.modified()).ok();
    let written = written.map(Timestamp::of)?;
    Some(match written > now {
        true => {
            let text =
                format!("was written at {written}, which is in the future: the clock was changed");
            Finding::warn(DUMP, text, "timedatectl")
        }
        false => Finding::ok(DUMP, format!("written {}; store not checked", elapsed(written, now))),
    })
}
