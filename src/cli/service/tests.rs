use super::*;

#[test]
fn only_files_that_pald_wrote_are_replaced_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("systemd/user/pald.service");
    let file = |content: Option<&str>| {
        let content = content.map(|content| format!("# {MARK}\n{content}\n"));
        ServiceFile { path: path.clone(), content }
    };
    assert!(!file(None).apply().unwrap());
    assert!(file(Some("one")).apply().unwrap());
    assert!(!file(Some("one")).apply().unwrap());
    assert!(file(Some("two")).apply().unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("# {MARK}\ntwo\n"));
    assert!(file(None).apply().unwrap());
    assert!(!path.exists());

    fs::write(&path, "[Service]\n").unwrap();
    assert!(matches!(file(Some("one")).apply(), Err(ServiceError::Foreign { .. })));
    assert!(!file(None).apply().unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "[Service]\n");
}

#[test]
fn a_command_that_fails_is_told_with_the_first_line_of_what_it_said() {
    let command = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let script = |script: &str| command(&["sh", "-c", script]);
    assert!(run_whole(&script("echo fine >&2")).is_ok());
    // (script, message)
    let rows = [
        ("echo out; echo >&2; echo ' why ' >&2; echo more >&2; exit 3", "why"),
        ("exit 3", "exit status: 3"),
    ];
    for (text, expected) in rows {
        let error = run_whole(&script(text)).unwrap_err();
        let line = joined(&script(text));
        assert_eq!(error.to_string(), format!("`{line}` failed: {expected}"));
    }
    assert_eq!(joined(&command(&["a", "b c"])), "a 'b c'");
    let error = run_whole(&command(&["/none/tool", "x"])).unwrap_err();
    let expected = "Can't run `/none/tool`, which manages services on this system";
    assert_eq!(error.to_string(), expected);
}
