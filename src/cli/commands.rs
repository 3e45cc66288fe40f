//! The commands, one file each. All but `serve` ask the daemon through [`crate::client`].

use clap::Subcommand;

use super::{Failure, Session};

mod check;
mod completions;
mod del;
mod doctor;
mod env;
mod export;
mod get;
mod import;
mod init;
mod install;
mod list;
mod man;
mod mv;
mod prune;
pub(super) mod run;
mod serve;
mod set;
mod start;
mod status;
mod stop;
mod uninstall;
mod wait;
mod who;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Serve(serve::Serve),
    Init(init::Init),
    Get(get::Get),
    Set(set::Set),
    #[command(visible_alias = "rm")]
    Del(del::Del),
    Mv(mv::Mv),
    Prune(prune::Prune),
    #[command(visible_alias = "ls")]
    List(list::List),
    Who(who::Who),
    Check(check::Check),
    Wait(wait::Wait),
    Run(run::Run),
    Env(env::Env),
    Export(export::Export),
    Import(import::Import),
    Install(install::Install),
    #[command(alias = "remove")]
    Uninstall(uninstall::Uninstall),
    Start(start::Start),
    Stop(stop::Stop),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Default for Command {
    /// Returns `serve`, which runs if no command is given.
    fn default() -> Self {
        Self::Serve(serve::Serve::default())
    }
}

impl Command {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Serve(serve) => serve.run(session),
            Self::Init(init) => init.run(session),
            Self::Get(get) => get.run(session),
            Self::Set(set) => set.run(session),
            Self::Del(del) => del.run(session),
            Self::Mv(mv) => mv.run(session),
            Self::Prune(prune) => prune.run(session),
            Self::List(list) => list.run(session),
            Self::Who(who) => who.run(session),
            Self::Check(check) => check.run(session),
            Self::Wait(wait) => wait.run(session),
            Self::Run(run) => run.run(session),
            Self::Env(env) => env.run(session),
            Self::Export(export) => export.run(session),
            Self::Import(import) => import.run(session),
            Self::Install(install) => install.run(session),
            Self::Uninstall(uninstall) => uninstall.run(session),
            Self::Start(start) => start.run(session),
            Self::Stop(stop) => stop.run(session),
            Self::Status(status) => status.run(session),
            Self::Doctor(doctor) => doctor.run(session),
            Self::Completions(completions) => completions.run(session),
            Self::Man(man) => man.run(session),
        }
    }
}
