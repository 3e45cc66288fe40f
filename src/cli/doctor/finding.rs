//! A line of `pald doctor`, with the command that fixes what it found.

use serde::Serialize;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Level {
    /// All is well.
    Ok,
    /// It works now, but may fail later.
    Warn,
    /// It does not work.
    Fault,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    pub(in crate::cli) level: Level,
    /// The subject, in one word.
    pub(in crate::cli) subject: &'static str,
    pub(in crate::cli) text: String,
    /// The command that fixes it.
    pub(in crate::cli) hint: Option<String>,
}

impl Finding {
    pub(in crate::cli) fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, text: text.into(), hint: None }
    }

    pub(in crate::cli) fn warn(
        subject: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warn, subject, text: text.into(), hint: Some(hint.into()) }
    }

    pub(in crate::cli) fn fault(
        subject: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { level: Level::Fault, subject, text: text.into(), hint: Some(hint.into()) }
    }

    /// Returns the lines that show it.
    pub(in crate::cli) fn lines(&self) -> Vec<String> {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fault => "fault",
        };
        let finding = format!("{level:<5} {:<8} {}", self.subject, self.text);
        let hint = self.hint.iter().map(|hint| format!("      hint: {hint}"));
        [finding].into_iter().chain(hint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_aligned_with_their_hints_below() {
        let findings = [
            Finding::ok("daemon", "0.1.0, pid 4121, on 127.0.0.1 and [::1]"),
            Finding::warn("range", "a", "sudo sysctl"),
        ];
        let text: String =
            findings.iter().flat_map(Finding::lines).map(|line| line + "\n").collect();
        let expected = "ok    daemon   0.1.0, pid 4121, on 127.0.0.1 and [::1]\nwarn  range    a\n      hint: sudo sysctl\n";
        assert_eq!(text, expected);
    }
}
