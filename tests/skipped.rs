//! Lists the tests that were skipped, once the others have run. It is no test itself.

#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;

fn main() {
    // Only what cargo has run just now counts.
    let parent = std::os::unix::process::parent_id();
    let list = format!("{}/skipped-{parent}", env!("CARGO_TARGET_TMPDIR"));
    let text = std::fs::read_to_string(&list).unwrap_or_default();
    let _ = std::fs::remove_file(&list);
    let lines: BTreeSet<&str> = text.lines().collect();
    println!("\n{} skipped", lines.len());
    lines.iter().for_each(|line| println!("    {line}"));
}
