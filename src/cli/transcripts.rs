//! The commands as a person types them, against a pald in this process: what each prints, and its exit code.
//!
//! A transcript is a text: after `$` a command, below it what it prints, with `!` before what goes to
//! stderr, and `=` before an exit code other than 0. Of `pald run` it has the command that takes pald's
//! place, with its variables. After `%` is what else happens: `cd`, `write`, `mkdir`, `chmod`, `rm` and
//! `env` as in a shell; `listen` has a process listen on a port, perhaps for a service, `answer` is typed
//! in at the next command, and `stop` ends pald. Not here: commands that change a service manager; the
//! tests in `tests/` run the program itself.

mod workplace;

use workplace::Workplace;

#[test]
fn services_are_registered_shown_renamed_and_released() {
    check(snapbox::file!["transcripts/services.txt"]);
}

#[test]
fn a_project_and_its_worktree_have_services_of_their_own() {
    check(snapbox::file!["transcripts/project.txt"]);
}

#[test]
fn names_are_completed_and_commands_have_pages() {
    check(snapbox::file!["transcripts/completion.txt"]);
}

/// What tells whose a listener is, is Linux's.
#[cfg(not(any(feature = "portable", target_os = "macos")))]
#[test]
fn what_the_machine_says_is_told_and_what_is_wrong_with_it() {
    check(snapbox::file!["transcripts/machine.txt"]);
}

/// Checks that a transcript comes out as it is. With SNAPSHOTS=overwrite it is written anew.
fn check(transcript: snapbox::Data) {
    let transcript = transcript.raw();
    let seen = Workplace::new().replay(&transcript.render().unwrap());
    snapbox::assert_data_eq!(seen, transcript);
}
