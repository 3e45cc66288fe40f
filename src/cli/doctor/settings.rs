//! Whether the settings are valid. Valid ones yield no finding.

use super::Finding;
use crate::cli::Failure;
use crate::config::Config;

const SUBJECT: &str = "config";

/// Finds variables that look like settings, and are not.
pub(super) fn unknown(config: &Config) -> impl Iterator<Item = Finding> {
    config.unknown_variables.iter().map(|name| {
        Finding::warn(SUBJECT, format!("Unknown setting {name}"), format!("unset {name}"))
    })
}

/// Reports why the settings can't be used.
pub(super) fn wrong(failure: Failure) -> Finding {
    let hint = failure.hint.clone();
    let hint = hint.unwrap_or_else(|| "Fix it, then check with `pald serve --check`".to_owned());
    Finding::fault(SUBJECT, failure.lines.join("; "), hint)
}
