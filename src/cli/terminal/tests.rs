use super::*;

#[test]
fn the_color_option_is_found_before_the_arguments_are_parsed() {
    let rows = [
        ("pald --color never get", ColorChoice::Never),
        ("pald get --color=always", ColorChoice::Always),
        ("pald --color=always --color never", ColorChoice::Never),
        ("pald run shop -- --color=always", ColorChoice::Auto),
        ("pald --color", ColorChoice::Auto),
        ("pald --colorful=never", ColorChoice::Auto),
        ("pald", ColorChoice::Auto),
    ];
    for (line, expected) in rows {
        let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
        assert_eq!(color_choice(&arguments), expected, "{line}");
    }
}

fn terminal(color: ColorChoice) -> Terminal {
    Terminal::new(&Globals { color, ..Globals::default() })
}

#[test]
fn all_but_answers_goes_to_stderr_and_what_was_asked_for_is_left_out() {
    let rows = [
        (false, false, "pald: a\nwarning: c\nhint: d\n"),
        (true, false, ""),
        (false, true, "pald: a\nb\nwarning: c\nhint: d\n"),
    ];
    for (quiet, verbose, expected) in rows {
        let terminal = Terminal::new(&Globals { quiet, verbose, ..Globals::default() });
        terminal.say("a");
        terminal.note("b");
        terminal.warn("c");
        terminal.hint("d");
        terminal.answer(["e\x1b", "f"]).unwrap();
        terminal.answer_json(&["g"]).unwrap();
        let answer = "e\\u{1b}\nf\n[\n  \"g\"\n]\n";
        assert_eq!(kept::take(), [answer, expected]);
        assert_eq!(terminal.is_verbose(), verbose);
    }
}

#[test]
fn the_first_word_of_an_error_and_of_a_hint_has_a_color() {
    let failure = || Failure {
        lines: vec!["a".to_owned(), "b".to_owned()],
        hint: Some("c".to_owned()),
        exit: crate::cli::Exit::No,
    };
    let rows = [
        (ColorChoice::Always, "\x1b[1;31mError:\x1b[0m a\nb\n\x1b[1;36mhint:\x1b[0m c\n"),
        (ColorChoice::Never, "Error: a\nb\nhint: c\n"),
    ];
    for (color, expected) in rows {
        terminal(color).print_failure(&failure());
        assert_eq!(kept::take(), ["", expected]);
    }
    // (NO_COLOR, TERM, whether colours are unwanted)
    for (no_color, term, expected) in
        [("", "", false), ("", "xterm", false), ("1", "xterm", true), ("", "dumb", true)]
    {
        assert_eq!(is_color_unwanted(OsStr::new(no_color), OsStr::new(term)), expected);
    }
}

#[test]
fn only_a_yes_is_a_yes() {
    let terminal = terminal(ColorChoice::Never);
    let rows = [("y\n", true), ("Y\n", true), ("yes\n", true), ("no\n", false), ("", false)];
    for (answer, expected) in rows {
        assert!(!terminal.can_ask());
        kept::give(Some(answer));
        assert!(terminal.can_ask());
        assert_eq!(terminal.confirm(&["a".to_owned()], "Go on?"), expected, "{answer}");
        assert_eq!(kept::take(), ["", "a\nGo on? [y/N] "]);
    }
    assert!(!terminal.confirm(&[], "Go on?"), "nothing can be read");
    kept::take();
}

#[test]
fn a_reader_may_close_the_pipe_but_a_full_disk_is_told() {
    unless_closed(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    let full = unless_closed(Err(io::ErrorKind::StorageFull.into()));
    assert!(matches!(full, Err(CommandError::Stdout(_))), "{full:?}");
}
