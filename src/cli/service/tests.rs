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
