//! How a table names what uses the ports of services: as shortly as tells its rows apart.

use std::collections::HashMap;

use super::holder::folder;
use crate::api::{Holder, Service, State, Verdict};

/// How many characters of a command a table shows.
const MAX_COMMAND_CHARS: usize = 32;
/// Flags of node, ruby, python and java whose values come as the next argument, before the program.
const WITH_VALUE: [&str; 10] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-X",
    "-W",
    "-cp",
    "-classpath",
    "--class-path",
];

/// Names what uses the port of each service: `-` for nothing, `node (8812)` for a process, `user root` for
/// one that is not visible, and how many more there are. Processes of one name have their commands too,
/// and those with the same command their folders. A foreign listener has a `!` before it, and its folder.
pub(super) fn in_use_by(services: &[Service]) -> Vec<String> {
    let holders: Vec<_> =
        services.iter().map(|service| Named { service, holders: service.all_holders() }).collect();
    let (names, commands) =
        (counts(&holders, |first| first.process.clone()), counts(&holders, command));
    holders.iter().map(|named| named.text(&names, &commands)).collect()
}

struct Named<'a> {
    service: &'a Service,
    /// All that use its port.
    holders: Vec<&'a Holder>,
}

impl Named<'_> {
    fn text(&self, names: &HashMap<String, usize>, commands: &HashMap<String, usize>) -> String {
        match (self.service.state, self.holders.split_first(), &self.service.reason) {
            (Some(State::Idle), _, _) => "-".to_owned(),
            (Some(State::Running | State::Blocked), Some((first, others)), _) => {
                let more =
                    if others.is_empty() { String::new() } else { format!(" +{}", others.len()) };
                self.first(first, names, commands) + &more
            }
            (Some(State::Blocked), _, Some(reason)) => reason.clone(),
            _ => "?".to_owned(),
        }
    }

    fn first(
        &self,
        first: &Holder,
        names: &HashMap<String, usize>,
        commands: &HashMap<String, usize>,
    ) -> String {
        let is_foreign = self.service.verdict == Some(Verdict::Foreign);
        let is_repeated = |counts: &HashMap<String, usize>, key: Option<String>| {
            key.and_then(|key| counts.get(&key).copied()).is_some_and(|count| count > 1)
        };
        let name = match is_repeated(names, first.process.clone()) {
            true => command(first),
            false => first.process.clone(),
        };
        let name = match (name, first.pid) {
            (Some(name), Some(pid)) => format!("{name} ({pid})"),
            (None, Some(pid)) => format!("pid {pid}"),
            _ => first.whose(),
        };
        let with_folder = is_foreign || is_repeated(commands, command(first));
        let at = folder(first).filter(|_| with_folder).map(|at| format!(" in {at}"));
        let mark = if is_foreign { "! " } else { "" };
        format!("{mark}{name}{}", at.unwrap_or_default())
    }
}

/// Counts the services whose first holders have something in common.
fn counts(
    holders: &[Named<'_>],
    key: impl Fn(&Holder) -> Option<String>,
) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for key in holders.iter().filter_map(|named| key(named.holders.first()?)) {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Returns what a process runs: `node server.js`, `python3 -m http.server`, `gunicorn shop:app`, or else
/// its name.
fn command(holder: &Holder) -> Option<String> {
    let name = holder.process.as_deref()?;
    let words = holder.command.as_deref().unwrap_or_default().split_whitespace();
    let words: Vec<_> = words.collect();
    // A script comes after its interpreter. A process that has given itself a title has no arguments.
    let is_program = |word: &&str| file_name(word).starts_with(name) && !word.ends_with(':');
    let Some(program) = words.iter().take(2).position(is_program) else {
        return Some(name.to_owned());
    };
    let told = match &words[program + 1..] {
        [flag @ ("-m" | "-jar"), module, ..] => Some(format!("{flag} {module}")),
        // What follows is a program of its own.
        [flag @ ("-c" | "-e"), ..] => Some((*flag).to_owned()),
        arguments => first_plain(arguments).map(|word| file_name(word).to_owned()),
    };
    let text = told.map_or_else(|| name.to_owned(), |told| format!("{name} {told}"));
    Some(text.chars().take(MAX_COMMAND_CHARS).collect())
}

/// Finds the first argument that is neither a flag nor the value of one, as far as that can be told.
fn first_plain<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    let mut flag = "";
    arguments.iter().copied().find(|word| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let is_value = WITH_VALUE.contains(&flag) || (flag.starts_with('-') && is_number);
        flag = word;
        !word.starts_with('-') && !is_value
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(state: State, verdict: Option<Verdict>, holders: &[Holder]) -> Service {
        Service {
            state: Some(state),
            holders: holders.to_vec(),
            verdict,
            ..Service::sample("shop.web", 49201)
        }
    }

    fn holder(process: &str, pid: u32, command: &str, folder: &str) -> Holder {
        Holder {
            pid: Some(pid),
            process: Some(process.to_owned()),
            command: Some(command.to_owned()),
            user: "ann".to_owned(),
            since: None,
            folder: Some(folder.to_owned()),
            service: None,
        }
    }

    fn column(holders: &[Holder]) -> Vec<String> {
        let running = |it: &Holder| service(State::Running, None, std::slice::from_ref(it));
        in_use_by(&holders.iter().map(running).collect::<Vec<_>>())
    }

    #[test]
    fn each_use_of_a_port_has_its_text() {
        let node = holder("node", 8812, "node server.js", "/src/shop");
        let hidden = Holder { pid: None, process: None, user: "root".to_owned(), ..node.clone() };
        let nameless = Holder { process: None, ..node.clone() };
        let blocked = service(State::Blocked, None, &[]);
        let foreign = Some(Verdict::Foreign);
        let rows = [
            (service(State::Idle, None, &[]), "-"),
            (service(State::Running, None, &[]), "?"),
            (service(State::Running, None, std::slice::from_ref(&node)), "node (8812)"),
            (service(State::Running, None, &[node.clone(), node.clone()]), "node (8812) +1"),
            (
                service(State::Running, foreign, std::slice::from_ref(&node)),
                "! node (8812) in /src/shop",
            ),
            (service(State::Running, None, &[hidden]), "user root"),
            (service(State::Running, None, &[nameless]), "pid 8812"),
            (Service { reason: Some("a UDP socket".to_owned()), ..blocked }, "a UDP socket"),
            (service(State::Unknown, None, &[]), "?"),
        ];
        for (service, expected) in rows {
            assert_eq!(in_use_by(std::slice::from_ref(&service)), [expected], "{service:?}");
        }
    }

    /// Eight rows all said `node`.
    #[test]
    fn rows_that_look_alike_are_told_apart() {
        let different = [
            holder("node", 1, "/usr/bin/node /src/a/node_modules/.bin/vite --port 1", "/src/a"),
            holder("node", 2, "node --inspect server.js", "/src/a"),
            holder("python3", 3, "python3 -m http.server 8000", "/src/a"),
        ];
        assert_eq!(column(&different), ["node vite (1)", "node server.js (2)", "python3 (3)"]);
        let same = [
            holder("node", 1, "node server.js", "/src/a"),
            holder("node", 2, "node server.js", "/src/my%20b"),
            holder("node", 3, "node", "/src/c"),
        ];
        assert_eq!(
            column(&same),
            ["node server.js (1) in /src/a", "node server.js (2) in /src/my b", "node (3)"]
        );
    }

    #[test]
    fn a_command_is_told_by_what_it_runs() {
        let rows = [
            ("java", "java -jar shop.jar", "java -jar shop.jar"),
            ("python3", "/usr/bin/python3 -m http.server 1", "python3 -m http.server"),
            ("ruby", "ruby -W0 bin/rails server", "ruby rails"),
            (
                "node",
                "node --require /a/preflight.cjs --import /a/loader.mjs src/api.ts",
                "node api.ts",
            ),
            ("node", "node --max-old-space-size 4096 server.js", "node server.js"),
            ("python3", "python3 -X dev manage.py runserver", "python3 manage.py"),
            ("java", "java -cp a.jar:b.jar -Xmx1g shop.Main", "java shop.Main"),
            ("gunicorn", "/usr/bin/python3 /usr/bin/gunicorn -w 4 shop:app", "gunicorn shop:app"),
            ("uvicorn", "/usr/bin/python3 /a/uvicorn --port 8000 api:app", "uvicorn api:app"),
            ("npm run dev", "npm run dev", "npm run dev"),
            ("python3", "python3 -m", "python3"),
            ("next-server (v14)", "next-server (v14)", "next-server (v14)"),
            ("nginx", "nginx: master process nginx", "nginx"),
            ("sh", "sh -c sleep 1", "sh -c"),
            ("node", "", "node"),
            (
                "node",
                "node aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "node aaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
        ];
        for (process, line, expected) in rows {
            assert_eq!(command(&holder(process, 1, line, "/")).as_deref(), Some(expected));
        }
    }
}
