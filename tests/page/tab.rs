//! A tab of a real Chromium without a window, driven through chromedriver (W3C WebDriver).

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::faults::wait;
use crate::hostile_page::browser::SWITCHES;

/// Keys, as WebDriver knows them.
pub(super) const TAB: &str = "\u{e004}";
pub(super) const ENTER: &str = "\u{e007}";
pub(super) const ESCAPE: &str = "\u{e00c}";

/// What is sure to happen has happened by then, also on a machine under load.
const DEADLINE: Duration = Duration::from_secs(60);
/// Keeps what breaks the policy, and when the table had its first row.
const WITNESS: &str = "
    window.violations = [];
    addEventListener('securitypolicyviolation', (event) =>
        violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
    new MutationObserver((_, observer) => {
        if (!document.querySelector('tbody tr')) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => (window.shownAt = performance.now())));
    }).observe(document, { childList: true, subtree: true });";

/// A browser with a tab; it ends, with all its processes, when this is dropped.
pub(super) struct Tab {
    driver: Child,
    agent: ureq::Agent,
    /// The address of the session.
    session: String,
    // The browser's files go after its processes.
    _home: TempDir,
}

impl Tab {
    /// Opens the address; none if Chromium or its driver is not installed.
    pub(super) fn open(url: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command
            .arg("--port=0")
            .env_clear()
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut driver = match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            driver => driver.unwrap(),
        };
        let port = port_of(&mut driver);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build();
        let session = format!("http://127.0.0.1:{port}/session");
        let mut tab = Self { driver, agent: config.into(), session, _home: home };
        let profile = format!("--user-data-dir={}", tab._home.path().join("profile").display());
        let mut switches = SWITCHES.to_vec();
        switches.extend(["--host-resolver-rules=MAP evil.test 127.0.0.1", &profile]);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": switches},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = match tab.ask("", &wanted) {
            Err(error) if error.contains("cannot find Chrome binary") => return None,
            made => made.unwrap(),
        };
        tab.session = format!("{}/{}", tab.session, made["sessionId"].as_str().unwrap());
        tab.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({"source": WITNESS}));
        tab.go(url);
        Some(tab)
    }

    /// Sends a command; what the driver answers, or says is wrong.
    fn ask(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.agent.post(format!("{}{path}", self.session));
        let request = request.header("Content-Type", "application/json");
        let mut response = request.send(body.to_string()).map_err(|error| error.to_string())?;
        let text = response.body_mut().with_config().limit(1 << 26).read_to_string().unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        match answer["value"]["error"].as_str() {
            None => Ok(answer["value"].clone()),
            Some(error) => Err(format!("{path}: {error}: {}", answer["value"]["message"])),
        }
    }

    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask(path, body).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A command of Chromium's own protocol.
    pub(super) fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    pub(super) fn go(&self, url: &str) {
        self.command("/url", &json!({"url": url}));
    }

    /// Opens a second tab; the handle of the first.
    pub(super) fn open_beside(&self) -> Value {
        let first = self.agent.get(format!("{}/window", self.session)).call().unwrap();
        let first = first.into_body().read_to_string().unwrap();
        let opened = self.command("/window/new", &json!({"type": "tab"}));
        self.switch(&opened["handle"]);
        serde_json::from_str::<Value>(&first).unwrap()["value"].clone()
    }

    /// Goes to another tab.
    pub(super) fn switch(&self, handle: &Value) {
        self.command("/window", &json!({"handle": handle}));
    }

    /// Goes into a frame of the document, or with null out of all.
    pub(super) fn enter_frame(&self, number: &Value) {
        self.command("/frame", &json!({"id": number}));
    }

    /// What a function with this body returns.
    #[track_caller]
    pub(super) fn js(&self, body: &str) -> Value {
        self.command("/execute/sync", &json!({"script": body, "args": []}))
    }

    /// What a function with this body gives to its argument.
    #[track_caller]
    pub(super) fn js_later(&self, body: &str) -> Value {
        self.command("/execute/async", &json!({"script": body, "args": []}))
    }

    /// Waits until a function with this body returns true.
    #[track_caller]
    pub(super) fn wait(&self, body: &str) {
        let start = Instant::now();
        while self.js(body) != json!(true) {
            if start.elapsed() > DEADLINE {
                let text = self.js("return `${location} ${document.body?.innerText}`");
                panic!("never came: {body}\n{}", text.as_str().unwrap_or_default());
            }
        }
    }

    /// Clicks on the element that this expression finds, as a mouse does.
    #[track_caller]
    pub(super) fn click(&self, expression: &str) {
        let element = self.js(&format!("return {expression}"));
        let id = element.as_object().and_then(|reference| reference.values().next());
        let id = id.unwrap_or_else(|| panic!("no element: {expression}")).as_str().unwrap();
        self.command(&format!("/element/{id}/click"), &json!({}));
    }

    /// Types a text in place of what is in a field.
    #[track_caller]
    pub(super) fn write(&self, field: &str, text: &str) {
        self.js(&format!("document.querySelector('{field}').select()"));
        self.keys(if text.is_empty() { "\u{e017}" } else { text });
    }

    /// Presses these keys, one after the other.
    #[track_caller]
    pub(super) fn keys(&self, keys: &str) {
        let press = |key: char| {
            ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
        };
        let actions: Vec<_> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.command("/actions", &json!({"actions": [keyboard]}));
    }

    /// Presses the Tab key until the focus is on such an element.
    #[track_caller]
    pub(super) fn tab_to(&self, selector: &str) {
        for _ in 0..40 {
            self.keys(TAB);
            let is_there = format!("return document.activeElement.matches('{selector}')");
            if self.js(&is_there) == json!(true) {
                return;
            }
        }
        panic!("the Tab key does not lead to {selector}");
    }

    /// Ends the browser. Nothing was on its console but these, and nothing broke the policy.
    #[track_caller]
    pub(super) fn close(self, expected: &[&str]) {
        assert_eq!(self.js("return violations"), json!([]));
        let log = self.command("/se/log", &json!({"type": "browser"}));
        for entry in log.as_array().unwrap() {
            let message = entry["message"].as_str().unwrap();
            // pald has the browser forget what an earlier site stored.
            let is_expected = message.contains("Cleared data types: \"storage\"")
                || expected.iter().any(|part| message.contains(part));
            assert!(is_expected, "{entry}");
        }
    }
}

/// Where the driver listens, as it says itself.
fn port_of(driver: &mut Child) -> u16 {
    let mut stdout = BufReader::new(driver.stdout.take().unwrap());
    let mut line = String::new();
    while stdout.read_line(&mut line).unwrap() > 0 {
        if let Some((_, port)) = line.trim_end().trim_end_matches('.').split_once("on port ")
            && line.contains("successfully")
        {
            let port = port.parse().unwrap();
            // It may go on talking.
            std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
            return port;
        }
        line.clear();
    }
    panic!("chromedriver has ended: {}", wait(driver))
}

impl Drop for Tab {
    fn drop(&mut self) {
        // The driver ends the browser, unless both are gone already.
        let _ = self.agent.delete(&self.session).call();
        let group = rustix::process::Pid::from_child(&self.driver);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.driver.wait();
    }
}
