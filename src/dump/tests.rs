use proptest::prelude::*;

use super::*;

fn entry(service: &str, port: u16, addresses: &str) -> DumpEntry {
    DumpEntry {
        service: ServiceName::parse(service).unwrap(),
        port: Port::new(port).unwrap(),
        addresses: Addresses::parse(addresses).unwrap(),
        created_at: None,
        hold: None,
        folder: None,
    }
}

#[test]
fn lines_of_the_2015_format_are_read_as_the_2015_program_did() {
    let rows: &[(&str, &[DumpEntry])] = &[
        ("", &[]),
        ("\n\n", &[]),
        ("  \t \r\n", &[]),
        ("# nothing but a comment\n", &[]),
        ("\t # an indented comment", &[]),
        ("shop\t49201\t\n", &[entry("shop", 49201, "")]),
        ("shop\t49201\t127.0.0.1\n", &[entry("shop", 49201, "127.0.0.1")]),
        ("shop 49201", &[entry("shop", 49201, "")]),
        ("  shop \t 49201 \t a,b:1  ", &[entry("shop", 49201, "a,b:1")]),
        ("shop\t00080\t,\t# old", &[entry("shop", 80, ",")]),
        ("shop 80#tight", &[entry("shop", 80, "")]),
        ("shop 80 x#tight # twice", &[entry("shop", 80, "x")]),
        ("shop\t80\t\r\nweb\t81\t\r\n", &[entry("shop", 80, ""), entry("web", 81, "")]),
        ("b 2\na 1\n", &[entry("b", 2, ""), entry("a", 1, "")]),
        ("a 1 x\n\na 1 x # again\na 00001 x\n", &[entry("a", 1, "x")]),
        ("80 8080", &[entry("80", 8080, "")]),
        ("a 1 # pald: unknown words=1", &[entry("a", 1, "")]),
        ("a 1 # pald's: since=never", &[entry("a", 1, "")]),
    ];
    for (text, entries) in rows {
        let dump = Dump { entries: entries.to_vec(), seal: None };
        assert_eq!(parse(text.as_bytes()), Ok(dump), "{text:?}");
    }
}

#[test]
fn bad_lines_are_named_with_number_and_reason() {
    let long_name = format!("{} 1", "n".repeat(256));
    let long_line = format!("a 1 #{}", "x".repeat(65536));
    let rows: &[(&[u8], &[(usize, &str)])] = &[
        (
            b"shop",
            &[(
                1,
                r#"no port after "shop"; a line has a name, a port and, if there are any, addresses"#,
            )],
        ),
        (b"\n\na 0\n", &[(3, "port 0 is outside 1-65535")]),
        (b"a 70000", &[(1, "port 70000 is outside 1-65535")]),
        (b"a 000080", &[(1, "port 000080 is outside 1-65535")]),
        (
            b"a +80",
            &[(
                1,
                r#"port "+80" is not a plain number; use 1 to 65535 without sign, blanks or leading zeros"#,
            )],
        ),
        (b"a 80 x y", &[(1, r#"unexpected "y" after the addresses; a comment starts with #"#)]),
        (
            b"my app 80",
            &[(
                1,
                r#"port "app" is not a plain number; use 1 to 65535 without sign, blanks or leading zeros"#,
            )],
        ),
        (
            b"shop/web 80",
            &[(1, r#"service name "shop/web" contains a slash; use letters, digits and . _ -"#)],
        ),
        (
            b"a 80 [::1]",
            &[(
                1,
                r#"addresses "[::1]" may contain only letters, digits and . : _ - and commas between them"#,
            )],
        ),
        (b"\xc3\xa4 80", &[(1, r#""\u{e4} 80" contains bytes that are not ASCII"#)]),
        (b"a 80 # \xff", &[(1, r#""a 80 # \xff" contains bytes that are not ASCII"#)]),
        (long_name.as_bytes(), &[(1, "service name is 256 bytes long; at most 255 are allowed")]),
        (long_line.as_bytes(), &[(1, "the line is 65541 bytes long; at most 65536 are allowed")]),
        (b"a 1\na 2\n", &[(2, "service a is already on port 1 in line 1")]),
        (b"a 1\nb 1\n", &[(2, "port 1 already belongs to a in line 1")]),
        (
            b"a 1\na 1 x\n",
            &[(2, "service a is already in line 1, with other addresses or another comment")],
        ),
        (
            b"a 1 # pald: since=never",
            &[(1, r#""since=never" in the comment is invalid or repeated"#)],
        ),
        (b"a 1 # pald: hold=no", &[(1, r#""hold=no" in the comment is invalid or repeated"#)]),
        (
            b"a 1 # pald: hold=off hold=off",
            &[(1, r#""hold=off" in the comment is invalid or repeated"#)],
        ),
        (b"a 1 # pald: id=9F3C", &[(1, r#""id=9F3C" in the comment is invalid or repeated"#)]),
        (
            b"a 1 # pald: folder=shop",
            &[(1, r#""folder=shop" in the comment is invalid or repeated"#)],
        ),
        (
            b"a 1 # pald: id=000000000000002a",
            &[(
                1,
                "the comment has only some of `revision`, `entries` and `check`, which belong together",
            )],
        ),
        (
            b"a 1 # pald: revision=1",
            &[(
                1,
                "the comment has only some of `revision`, `entries` and `check`, which belong together",
            )],
        ),
        (
            b"a 0\nb 1\nc\nb 2\n",
            &[
                (1, "port 0 is outside 1-65535"),
                (
                    3,
                    r#"no port after "c"; a line has a name, a port and, if there are any, addresses"#,
                ),
                (4, "service b is already on port 1 in line 2"),
            ],
        ),
    ];
    for (text, expected) in rows {
        let bad_lines = parse(text).unwrap_err();
        let found: Vec<_> =
            bad_lines.iter().map(|bad| (bad.number, bad.error.to_string())).collect();
        let expected: Vec<_> =
            expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
        assert_eq!(found, expected, "{}", text.escape_ascii());
    }
}

#[test]
fn the_written_format_never_changes() {
    let since = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
    let shop = DumpEntry { created_at: Some(since), ..entry("shop", 49201, "10.0.0.1,db.local") };
    let web = DumpEntry { hold: Some(false), ..entry("web", 65535, "") };
    let entries = [shop.into_registration(since), web.into_registration(since)];
    let seal = Seal::of(42, &entries);
    let text = "shop\t49201\t10.0.0.1,db.local\t# pald: since=2026-11-22T10:00:00Z\n\
                web\t65535\t\t# pald: since=2026-11-22T10:00:00Z hold=off revision=42 entries=2 check=bbc071e0\n";
    // As pald 0.1 wrote it.
    assert_eq!(render(&entries, seal), text);

    let [mut shop, web] = entries;
    shop.folder = Some(Folder::parse("/home/ann/my%20shop").unwrap());
    let entries = [shop, web];
    let seal = Seal::of(42, &entries).with_id(Some(RegistryId::from_bits(0x9f3c)));
    let text = text
        .replacen("00Z\n", "00Z folder=/home/ann/my%20shop\n", 1)
        .replace("check=bbc071e0", "check=441d0e62 id=0000000000009f3c");
    assert_eq!(render(&entries, seal), text);
    assert_eq!(render([], Seal::of(43, [])), "");
}

/// Whether the 2015 program's regular expression matches the line; its `\w` and `\d` are ASCII.
fn is_read_by_the_2015_program(line: &str) -> bool {
    let (fields, _comment) = line.split_once('#').unwrap_or((line, ""));
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    let all = |text: &str, others: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || others.contains(c))
    };
    match fields[..] {
        [name, port] => all(name, "-.") && port.bytes().all(|b| b.is_ascii_digit()),
        [name, port, addresses] => {
            all(name, "-.") && port.bytes().all(|b| b.is_ascii_digit()) && all(addresses, ",.-:")
        }
        _ => false,
    }
}

fn registrations() -> impl Strategy<Value = Vec<Registration>> {
    let folder = proptest::option::of("(/[^/.\0]{1,9}){1,4}");
    let fields = (
        "[A-Za-z0-9_.-]{1,255}",
        "[A-Za-z0-9_.:,-]{0,40}",
        0..=253_402_300_799u64,
        any::<bool>(),
        folder,
    );
    proptest::collection::btree_map(1..=u16::MAX, fields, 0..40).prop_map(|by_port| {
        let mut seen = std::collections::HashSet::new();
        by_port
            .into_iter()
            .filter(|(_, (name, ..))| seen.insert(name.clone()))
            .map(|(port, (name, addresses, seconds, hold, folder))| Registration {
                service: ServiceName::parse(name).unwrap(),
                port: Port::new(port).unwrap(),
                addresses: Addresses::parse(addresses).unwrap(),
                created_at: Timestamp::from_unix_seconds(seconds).unwrap(),
                hold,
                folder: folder.map(|folder| Folder::of(folder.as_ref()).unwrap()),
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_whole(
        registrations in registrations(),
        revision: u64,
        id in proptest::option::of(any::<u64>().prop_map(RegistryId::from_bits)),
    ) {
        let seal = Seal::of(revision, &registrations).with_id(id);
        let text = render(&registrations, seal);
        let dump = parse(text.as_bytes()).unwrap();
        let claimed = ClaimedSeal { revision, entries: seal.entries, check: seal.check(), id };
        prop_assert_eq!(dump.seal, (!registrations.is_empty()).then_some(claimed));
        let epoch = Timestamp::from_unix_seconds(0).unwrap();
        let read: Vec<_> = dump.entries.into_iter().map(|e| e.into_registration(epoch)).collect();
        prop_assert_eq!(&read, &registrations);
        let line_bytes: usize = registrations.iter().map(max_line_bytes).sum();
        prop_assert!(text.len() <= line_bytes + MAX_SEAL_BYTES);
        for line in text.lines() {
            prop_assert!(is_read_by_the_2015_program(line), "{}", line);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(dump) = parse(&bytes) {
            prop_assert!(dump.entries.len() <= bytes.len());
        }
    }

    #[test]
    fn nearly_right_text_never_makes_the_reader_panic(text in "([a-z.#:=,+\t \n0-9]|pald: |since=|check=){0,200}") {
        let names = |dump: &Dump| dump.entries.iter().map(|e| e.service.clone()).collect::<Vec<_>>();
        if let Ok(dump) = parse(text.as_bytes()) {
            let mut unique = names(&dump);
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), dump.entries.len());
        }
    }
}
