//! `--hold` and `--no-hold`.

use super::pald;
use crate::daemon::{Daemon, Home};

#[test]
fn a_hold_is_changed_alone_and_said() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let hold = || client.get("/v1/services/shop?state=false").json()["hold"].clone();
    let off = "pald: 49201 (shop) is not held from now on; `pald set shop --hold` undoes that\n";
    let on =
        "pald: 49201 (shop) is held for it from now on; `pald set shop --no-hold` undoes that\n";
    // (command, hold afterwards, stderr)
    let rows = [
        ("set shop", true, ""),
        ("set shop --hold", true, ""),
        ("set shop --no-hold", false, off),
        ("set shop", false, ""),
        ("set shop --no-hold", false, ""),
        ("set shop --addr 10.0.0.1", false, ""),
        ("set shop --hold", true, on),
        ("-q set shop --no-hold", false, ""),
        ("set shop --no-hold --hold", true, on),
        ("run --no-hold shop -- true", false, off),
        ("run --no-hold shop -- true", false, ""),
        ("run shop -- true", false, ""),
    ];
    for (line, expected, said) in rows {
        let (code, _, stderr) = pald(&home, line);
        assert_eq!((code, stderr.as_str(), hold()), (Some(0), said, expected.into()), "{line}");
    }
    let shop = client.get("/v1/services/shop?state=false").json();
    assert_eq!((&shop["port"], &shop["addresses"][0]), (&home.min.into(), &"10.0.0.1".into()));
    // A new service has none to be taken back.
    assert_eq!(pald(&home, "set new --no-hold"), (Some(0), "49202\n".to_owned(), String::new()));
    let new = client.get("/v1/services/new?state=false").json();
    assert_eq!(new["hold"], false);
    assert_eq!(pald(&home, "set --no-hold").0, Some(2));
}
