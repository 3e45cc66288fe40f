//! What people type in a project and what they get, in bash and in fish.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::{SHOP, Workplace, is_there};
use crate::command_line::terminal::on_terminal;
use crate::daemon::PALD;
use crate::faults::wait;
use crate::skip::lacks;

/// Programs of others, which say how they were called and what they were told.
fn stand_ins(workplace: &Workplace) {
    workplace.stand_in("vite", "echo \"vite $*: PORT $PORT, db on $DB_PORT\"");
    workplace
        .stand_in("docker", "echo \"docker $*: ${PORT-no} PORT, $WEB_PORT $API_PORT $DB_PORT\"");
}

#[test]
fn a_project_and_its_worktree_have_ports_of_their_own() {
    if !is_there("git") || !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    stand_ins(&workplace);
    workplace.git("src", "init -q shop");
    workplace.session(
        "bash",
        "src/shop",
        "\
$ pald init
pald: ~/src/shop/pald.toml has no services yet; add lines such as `web = {}` below its `[services]`, then run `pald set`
$ pald set
pald: ~/src/shop/pald.toml has no services; add lines such as `web = {}` below its `[services]`, then run `pald set`
$ rm pald.toml
$ pald init web api db
$ cat pald.toml
project = \"shop\"

[services]
web = {}
api = {}
db  = {}
$ pald init web; echo $?
Error: ~/src/shop/pald.toml already exists
hint: It stays as it is; add lines such as `web = {}` below its `[services]`, then run `pald set`
4
$ pald set
web  49201
api  49202
db   49203
$ pald set
web  49201
api  49202
db   49203
$ pald run web -- vite --port {port} --strictPort
vite --port 49201 --strictPort: PORT 49201, db on 49203
$ PORT=1 pald run -- docker compose up
docker compose up: no PORT, 49201 49202 49203
$ pald env -f dotenv -o .env.ports
$ cat .env.ports
# Written by `pald env` for shop in ~/src/shop; it writes the file anew
WEB_PORT=49201
API_PORT=49202
DB_PORT=49203
$ git add pald.toml && git commit -qm ports && git worktree add -q ../shop-fix-login
$ cd ../shop-fix-login && pald run web -- vite --port {port}
pald: registered shop.fix-login.web on 49204
pald: registered shop.fix-login.api on 49205
pald: registered shop.fix-login.db on 49206
vite --port 49204: PORT 49204, db on 49206
$ pald get web
49204
$ pald -C ../shop get web
49201
$ pald list --here | awk '{ print $1, $2 }'
PORT NAME
49204 shop.fix-login.web
49205 shop.fix-login.api
49206 shop.fix-login.db
$ pald list 'shop.*' | wc -l
7
$ pald del --here; echo $?
Error: `pald del --here` can't ask for confirmation here
hint: Add `--yes`, or see what it is with `pald list --here`
2
$ pald del --here --yes
$ pald get web; echo $?
Error: web is not registered for shop in ~/src/shop-fix-login
hint: `pald set` registers it
1
$ pald del --here --yes; echo $?
Error: No service is registered for ~/src/shop-fix-login
1
$ pald list 'shop.*' | wc -l
4
",
    );
}

#[test]
fn variables_reach_each_shell() {
    if !is_there("git") {
        return;
    }
    let project = "\
project = \"shop\"

[services]
web = {}
db = { env = \"PGPORT\" }
mail = { shared = true }

[env]
DATABASE_URL = \"postgres://localhost:{db}/it's $HOME\"
COMPOSE_PROJECT_NAME = \"{checkout}\"
";
    for (shell, format) in [("bash", ""), ("zsh", ""), ("fish", " -f fish")] {
        if !is_there(shell) {
            continue;
        }
        let workplace = Workplace::new(9);
        workplace.repository("src/shop", project);
        let eval = match shell {
            "fish" => format!("pald env{format} | source"),
            _ => "eval \"$(pald env)\"".to_owned(),
        };
        workplace.session(
            shell,
            "src/shop",
            &format!(
                "\
$ pald set
web   49201
db    49202
mail  49203
$ {eval}
$ echo $WEB_PORT $PGPORT $MAIL_PORT $DATABASE_URL $COMPOSE_PROJECT_NAME
49201 49202 49203 postgres://localhost:49202/it's $HOME shop
$ git worktree add -q ../fix && cd ../fix && pald run web -- sh -c 'echo $PORT {{db}} {{mail}} {{shop.db}} {{print}} $PALD_SERVICE'
pald: registered shop.fix.web on 49204
pald: registered shop.fix.db on 49205
49204 49205 49203 49202 {{print}} shop.fix.web
$ pald env COMPOSE_PROJECT_NAME=db db X='{{checkout}}:{{web}}'{format} | tail -n 1 | tr -d \"'\"
{}
",
                if shell == "fish" { "set -gx X shop-fix:49204" } else { "export X=shop-fix:49204" },
            ),
        );
    }
}

#[test]
fn names_mean_what_the_project_lists() {
    if !is_there("git") || !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    workplace.repository("src/shop", SHOP);
    workplace.write("src/plain/file", "");
    workplace.session(
        "bash",
        "src/shop",
        "\
$ pald get web; echo $?
Error: web is not registered for shop in ~/src/shop
hint: `pald set` registers it
1
$ pald env web; echo $?
Error: web is not registered for shop in ~/src/shop
hint: `pald env --set` registers it
1
$ pald env; echo $?
Error: web, api and db are not registered for shop in ~/src/shop
hint: `pald env --set` registers them
1
$ pald env --set
pald: registered shop.web on 49201
pald: registered shop.api on 49202
pald: registered shop.db on 49203
export WEB_PORT=49201
export API_PORT=49202
export DB_PORT=49203
$ pald env 'a*' PORT=web shop.db
export API_PORT=49202
export PORT=49201
export SHOP_DB_PORT=49203
$ pald set wbe; pald get wbe; pald del wbe; pald run wbe -- true; pald run -e A=wbe -- true; pald env wbe
Error: wbe is no service of shop (~/src/shop/pald.toml)
hint: Did you mean web?
Error: wbe is no service of shop (~/src/shop/pald.toml)
hint: Did you mean web?
Error: wbe is no service of shop (~/src/shop/pald.toml)
hint: Did you mean web?
Error: wbe is no service of shop (~/src/shop/pald.toml)
hint: Did you mean web?
Error: wbe is no service of shop (~/src/shop/pald.toml)
hint: Did you mean web?
Error: wbe is no service of shop (~/src/shop/pald.toml)
hint: Did you mean web?
$ pald set -g redis && pald get -g redis && pald set other.one
49204
49204
49205
$ pald get redis; echo $?
Error: redis is no service of shop (~/src/shop/pald.toml)
hint: With `-g` it is the registered service redis
1
$ pald get mongo; echo $?
Error: mongo is no service of shop (~/src/shop/pald.toml)
hint: Add `mongo = {}` below `[services]` in ~/src/shop/pald.toml, or take it as a full name with `-g`
1
$ pald get shop.web && pald get web --json | head -n 2
49201
{
  \"name\": \"shop.web\",
$ sed -i '/^api/d' pald.toml && pald set && pald get api
web  49201
db   49203
pald: shop.api on 49202 is no longer in ~/src/shop/pald.toml; `pald del shop.api` releases it
49202
$ pald del api && pald get api; echo $?
Error: api is no service of shop (~/src/shop/pald.toml)
hint: Add `api = {}` below `[services]` in ~/src/shop/pald.toml, or take it as a full name with `-g`
1
$ pald set --json | grep -c '\"name\"'
2
$ cd ../plain && pald set web 2> said; sed 's/in ~.*/in .../; s/from ~.*/in .../' said
49206
pald: registered web on 49206, which is not shop.web: there is no pald.toml in ...
$ pald set web && pald set -g db && pald set cache
49206
49207
49208
",
    );
}

#[test]
fn a_registered_service_moves_when_it_is_told_to() {
    if !is_there("git") || !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    let prefer = format!("web = {}", workplace.home.listen + 9);
    workplace.repository("src/shop", &SHOP.replace("web = {}", &prefer));
    workplace.session(
        "bash",
        "src/shop",
        "\
$ pald set other --port 49209 -g
49209
$ pald set
pald: shop.web has 49201, since 49209 is registered to other; `pald set --move` tries again
web  49201
api  49202
db   49203
$ pald set db --port 49208; echo $?
Error: shop.db is already registered on port 49203, not 49208
hint: Drop `--port` to accept it, or add `--move` to move it
4
$ pald set db --port 49208 --move && pald get db
49208
49208
$ pald set db --move; echo $?
Error: `--move` needs the port to move to
hint: Add `--port N`
2
$ pald set db --port 49209 --move; echo $?
Error: Port 49209 is already registered to other
hint: Release it with `pald del other`, or ask for another port
4
$ pald set --move 2>&1 >/dev/null
pald: shop.web has 49201, since 49209 is registered to other; `pald set --move` tries again
$ pald del -g other && pald set --move
web  49209
api  49202
db   49208
$ pald set shop.none --port 49207 --move
49207
",
    );
}

#[test]
fn at_a_terminal_a_checkout_is_asked_before_it_loses_its_ports() {
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", SHOP);
    workplace.answer("src/shop", &["set"]);
    let release = |typed: &str| {
        let mut command = workplace.command(PALD, &workplace.folder("src/shop"));
        on_terminal(command.args(["del", "--here"]), typed)
    };
    let port = |number: u16| workplace.home.listen + number;
    let question = format!(
        "{}  shop.web\n{}  shop.api\n{}  shop.db\nRelease them? [y/N] ",
        port(1),
        port(2),
        port(3)
    );
    for typed in ["n\n", "\n", "\x04"] {
        let (code, shown) = release(typed);
        assert!(shown.contains(&question), "{shown}");
        assert!(shown.ends_with("Nothing was released\n"), "{shown}");
        assert_eq!((code, workplace.services().len()), (Some(1), 3));
    }
    assert_eq!(release("y\n"), (Some(0), format!("y\n{question}")));
    assert_eq!(workplace.services(), [""; 0]);
}

#[test]
fn a_new_file_in_a_worktree_is_called_like_the_repository() {
    if !is_there("git") || !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    workplace.session(
        "bash",
        "src",
        "\
$ git init -q shop && cd shop && git commit -q --allow-empty -m empty && git worktree add -q ../fix
$ mkdir -p ../fix/apps/site && cd ../fix && pald init web && head -n 1 pald.toml
project = \"shop\"
$ pald -C apps/site init web -v && head -n 1 apps/site/pald.toml
Wrote pald.toml for site
pald: ~/src/fix/apps/site/pald.toml is a project of its own, besides ~/src/fix/pald.toml
project = \"site\"
$ pald -C apps/site set
web  49201
$ pald list --here | awk '{ print $2 }'
NAME
site.fix.web
",
    );
}

/// The day when pald is adopted: the server runs already, on the port that everybody knows.
#[test]
fn a_preferred_port_may_be_in_use_by_the_checkout_itself() {
    if lacks("sees the folders of processes") {
        return;
    }
    if !is_there("git") || !is_there("python3") {
        return;
    }
    // (folder where the server runs, whether the service gets its port)
    for (folder, gets_it) in [("src/shop/sub", true), ("src/shop/other", false), ("src", false)] {
        let workplace = Workplace::new(9);
        let port = workplace.home.max;
        workplace.repository("src/shop", &SHOP.replace("web = {}", &format!("web = {port}")));
        std::fs::create_dir_all(workplace.folder("src/shop/sub")).unwrap();
        std::fs::create_dir_all(workplace.folder("src/shop/other/.git")).unwrap();
        let script = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); \
                      print(flush=True); sys.stdin.read()";
        let mut server = workplace.command("python3", &workplace.folder(folder));
        server.args(["-c", script, &port.to_string()]);
        let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (code, stdout, stderr) = workplace.pald("src/shop", &["set"]);
        drop(server.stdin.take());
        wait(&mut server);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(stdout.contains(&port.to_string()), gets_it, "{folder}: {stdout}{stderr}");
        let told =
            format!("pald: shop.web has {}, since {port} is in use by python3", workplace.home.min);
        assert_eq!(stderr.starts_with(&told), !gets_it, "{folder}: {stderr}");
    }
}

/// A service that was shared later kept its own port in each worktree that had one.
#[test]
fn a_service_may_become_shared_and_back() {
    if !is_there("git") || !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    workplace.repository("src/shop", "project = \"shop\"\n[services]\nmail = {}\n");
    workplace.session(
        "bash",
        "src/shop",
        "\
$ git worktree add -q ../fix && pald set && pald -C ../fix set
mail  49201
mail  49202
$ echo 'mail = { shared = true }' > shared && cat pald.toml > own && sed '$d' own | cat - shared > pald.toml
$ cp pald.toml ../fix/pald.toml && pald -C ../fix get mail
49201
$ pald set && pald list --here | awk '{ print $2 }'
mail  49201
NAME
$ pald -C ../fix set
mail  49201
pald: shop.fix.mail on 49202 is no longer in ~/src/fix/pald.toml; `pald del shop.fix.mail` releases it
$ pald -C ../fix del --here --yes && pald -C ../fix set
mail  49201
$ cp own pald.toml && cp own ../fix/pald.toml && pald -C ../fix set && pald set
mail  49202
mail  49201
$ pald list --here | awk '{ print $2 }'
NAME
shop.mail
",
    );
}

#[test]
fn names_that_are_needed_are_asked_for() {
    if !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", &SHOP.replace("api = {}\n", ""));
    workplace.session(
        "bash",
        "src/shop",
        "\
$ pald set -g; pald env -g; pald run -g -- true; echo $?
Error: `pald set -g` needs a name
hint: Leave `-g` out for the project here
Error: `pald env -g` needs a name
hint: Leave `-g` out for the project here
Error: `pald run -g` needs a name
hint: Leave `-g` out for the project here
2
$ pald set && pald set -q tool.web
web  49201
db   49202
49203
$ pald run -g -e P=shop.db -- sh -c 'echo $P $WEB_PORT.'
49202 .
$ pald run tool.web -e P={checkout} -e Q={db} -- sh -c 'echo $P $Q $PORT $WEB_PORT.'
shop 49202 49203 .
$ pald run -g tool.web -e P={checkout} -- true; echo $?
Error: checkout is not registered
hint: `pald set checkout` registers it
1
$ cd .. && pald env --set web 2> said; sed 's/in ~.*/in .../; s/from ~.*/in .../' said
export WEB_PORT=49204
pald: registered web on 49204, which is not shop.web: there is no pald.toml in ...
$ pald env --set cache -g db
pald: registered cache on 49205
pald: registered db on 49206
export CACHE_PORT=49205
export DB_PORT=49206
",
    );
}
