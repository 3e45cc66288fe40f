//! Many checkouts, and many commands in one, at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};

use super::{SHOP, Workplace, is_there};
use crate::daemon::PALD;

/// Starts `pald set` in each of these folders at once; the services and ports that each printed.
fn set_in(workplace: &Workplace, folders: &[String]) -> Vec<BTreeMap<String, u16>> {
    let start = |folder: &String| -> Child {
        let mut command = workplace.command(PALD, &workplace.folder(folder));
        command.arg("set").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = folders.iter().map(start).collect();
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
    let ports = outputs.map(|output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let pair = |line: &str| {
            let (name, port) = line.split_once(' ').unwrap();
            (name.to_owned(), port.trim().parse().unwrap())
        };
        text.lines().map(pair).collect()
    });
    ports.collect()
}

/// The reason for projects: tools that compute ports, or keep them in a file without a lock, share
/// some or lose some here.
#[test]
fn twenty_checkouts_at_once_share_no_port_and_get_whole_sets() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(99);
    workplace.repository("src/shop", SHOP);
    let mut folders = vec!["src/shop".to_owned()];
    for number in 1..20 {
        workplace.git("src/shop", &format!("worktree add -q ../shop-{number}"));
        folders.push(format!("src/shop-{number}"));
    }
    for round in 0..10 {
        let first = set_in(&workplace, &folders);
        let ports: BTreeSet<_> = first.iter().flat_map(BTreeMap::values).collect();
        assert_eq!(ports.len(), 60, "round {round}: {first:?}");
        assert_eq!(workplace.services().len(), 60);
        assert_eq!(set_in(&workplace, &folders), first, "round {round}");
        for folder in &folders {
            workplace.answer(folder, &["del", "--here", "--yes"]);
        }
        assert_eq!(workplace.services(), [""; 0]);
    }
}

#[test]
fn twenty_times_the_same_checkout_at_once_is_one_set() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(9);
    workplace.repository("src/shop", SHOP);
    let folders = vec!["src/shop".to_owned(); 20];
    for round in 0..10 {
        let answers = set_in(&workplace, &folders);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "round {round}: {answers:?}");
        assert_eq!(workplace.services(), ["shop.web=1", "shop.api=2", "shop.db=3"]);
        workplace.answer("src/shop", &["del", "--here", "--yes"]);
    }
}

#[test]
fn a_whole_project_is_one_change() {
    if !is_there("git") {
        return;
    }
    let workplace = Workplace::new(30);
    let services: String = (0..20).map(|number| format!("s{number} = {{}}\n")).collect();
    workplace.repository("src/shop", &format!("project = \"shop\"\n[services]\n{services}"));
    let before = workplace.revision();
    workplace.answer("src/shop", &["set"]);
    assert_eq!((workplace.revision(), workplace.services().len()), (before + 1, 20));
    workplace.answer("src/shop", &["set"]);
    workplace.answer("src/shop", &["run", "s0", "--", "true"]);
    assert_eq!(workplace.revision(), before + 1);
    // Where the range is too small, none of the set is registered.
    let folder = "src/shop/more";
    workplace.write(
        &format!("{folder}/pald.toml"),
        &format!("project = \"more\"\n[services]\n{services}"),
    );
    let (code, stdout, stderr) = workplace.pald(folder, &["set"]);
    assert_eq!((code, stdout.as_str()), (Some(5), ""), "{stderr}");
    assert_eq!(workplace.revision(), before + 1);
}
