//! What a start has lost or set aside, and the user has not taken note of yet.

use std::path::Path;

use super::Finding;
use crate::files::{InShell, Shown, network_filesystem};
use crate::store::{self, FoundRecord, record_place};

const SUBJECT: &str = "store";

/// Looks beside the store at `data_dir`.
pub(super) fn examine(data_dir: &Path) -> Vec<Finding> {
    let record = FoundRecord::read(data_dir).ok();
    let lost = record.as_ref().and_then(FoundRecord::whole).and_then(|record| record.lost);
    let lost = lost.map(|lost| {
        let text = format!(
            "{} has lost changes: its newest revision was {lost}; services that were registered \
             then may be missing",
            Shown(data_dir)
        );
        // pald would write it again when it ends.
        let hint = format!("pald stop && rm {}", InShell(&record_place(data_dir)));
        Finding::warn(SUBJECT, text, hint)
    });
    let damaged = store::damaged(data_dir).into_iter().map(|damaged| {
        let text = format!(
            "a damaged store was set aside as {}, and restored from the dump of that time",
            Shown(&damaged)
        );
        Finding::warn(SUBJECT, text, format!("rm -r {}", InShell(&damaged)))
    });
    let shared = network_filesystem(data_dir).map(|filesystem| {
        let text = format!(
            "{} is on a network filesystem ({filesystem}), where pald can't be sure that no other \
             machine uses it too: set `data_dir` to a folder of this machine",
            Shown(data_dir)
        );
        Finding::warn(SUBJECT, text, format!("df {}", InShell(data_dir)))
    });
    lost.into_iter().chain(damaged).chain(shared).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::{DbRecord, RecordFile};

    #[test]
    fn a_loss_is_told_until_it_is_taken_note_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let texts = || examine(&path).iter().map(|it| it.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(), [""; 0]);
        let record = DbRecord { lost: Some(25), ..DbRecord::default() };
        RecordFile::create(&path, record).unwrap();
        let damaged = folder.path().join("db.damaged-20261127T100000Z");
        fs::create_dir(&damaged).unwrap();
        let told = texts();
        assert!(told[0].contains("its newest revision was 25"), "{told:?}");
        assert!(told[1].contains("db.damaged-20261127T100000Z"), "{told:?}");
        assert_eq!(told.len(), 2);
        fs::remove_dir(damaged).unwrap();
        fs::remove_file(record_place(&path)).unwrap();
        assert_eq!(texts(), [""; 0]);
    }
}
