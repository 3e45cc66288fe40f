//! Variables that a project may not set, since loaders and shells run code by them.
//!
//! Whoever clones a project and starts something with pald has not read its `pald.toml`.

use crate::variable_name::VariableName;

/// What a variable in a project's file must be, for messages.
pub(super) const ALLOWED: &str =
    "a variable by which no shell or loader runs code, as by PATH, LD_PRELOAD or NODE_OPTIONS";

const NAMES: [&str; 11] = [
    "PATH",
    "HOME",
    "SHELL",
    "IFS",
    "ENV",
    "SHELLOPTS",
    "PS4",
    "ZDOTDIR",
    "PROMPT_COMMAND",
    "NODE_OPTIONS",
    "RUBYOPT",
];
const STARTS: [&str; 7] = ["LD_", "DYLD_", "BASH_", "PYTHON", "PERL5", "GIT_", "PALD_"];

/// Returns whether a project may not set a variable. Case does not matter: zsh ties `path` to PATH.
pub fn is_refused(variable: &VariableName) -> bool {
    let name = variable.as_str().to_ascii_uppercase();
    let is_java = || name.strip_suffix("_OPTIONS").is_some_and(|start| start.contains("JAVA"));
    NAMES.contains(&name.as_str())
        || STARTS.iter().any(|start| name.starts_with(start))
        || is_java()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loaders_and_shells_run_code_by_is_refused() {
        let is_refused = |name: &str| is_refused(&VariableName::parse(name).unwrap());
        for name in NAMES.iter().chain(&[
            "path",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "BASH_FUNC_ls",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5OPT",
            "GIT_SSH_COMMAND",
            "PALD_URL",
            "PALD_SERVICE",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "JDK_JAVA_OPTIONS",
        ]) {
            assert!(is_refused(name), "{name}");
        }
        for name in [
            "WEB_PORT",
            "PORT",
            "PGPORT",
            "DATABASE_URL",
            "MYPATH",
            "HOMEPAGE",
            "ENV_PORT",
            "JAVA_PORT",
            "COMPOSE_PROJECT_NAME",
            "NODE_ENV",
            "LD",
            "PS1_PORT",
        ] {
            assert!(!is_refused(name), "{name}");
        }
    }
}
