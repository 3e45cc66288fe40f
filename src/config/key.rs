//! The table of all settings.

use crate::toml_file::PORTS;

/// The allowed values of a setting, for messages.
pub(super) const USERS: &str = "a list of users, each by name or number, or [\"*\"] for anybody";
pub(super) const USER: &str = "a user, by name or number";
pub(super) const SWITCH: &str = "true or false";
pub(super) const HOSTS: &str = "a list of host names without ports";
pub(super) const PATHS: &str = "a string: an absolute path, or one that starts with ~/";

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in a file; in the environment, it is upper case with the prefix `PALD_`.
    pub name: &'static str,
    /// Its default as the environment would have it: lists are joined with commas.
    pub default: &'static str,
    pub(super) kind: Kind,
}

/// The kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Port,
    Path,
    Switch,
    Users,
    User,
    Hosts,
}

impl Kind {
    /// Returns whether the value is a list.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Users | Self::Hosts)
    }

    /// Returns the allowed values, for messages.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Port => PORTS,
            Self::Path => PATHS,
            Self::Switch => SWITCH,
            Self::Users => USERS,
            Self::User => USER,
            Self::Hosts => HOSTS,
        }
    }
}

/// All settings.
pub const KEYS: [Key; 9] = [
    Key { name: "port_listen", default: "49200", kind: Kind::Port },
    Key { name: "port_min", default: "49201", kind: Kind::Port },
    Key { name: "port_max", default: "49999", kind: Kind::Port },
    Key { name: "dump_file", default: "~/.pald/dump", kind: Kind::Path },
    Key { name: "data_dir", default: "~/.pald/db", kind: Kind::Path },
    Key { name: "hold_ports", default: "true", kind: Kind::Switch },
    Key { name: "allow_users", default: "", kind: Kind::Users },
    Key { name: "allowed_hosts", default: "", kind: Kind::Hosts },
    Key { name: "daemon_user", default: "", kind: Kind::User },
];

impl Key {
    /// Returns the setting with this name.
    pub(super) fn by_name(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Returns the name of its variable.
    pub fn variable(&self) -> String {
        format!("PALD_{}", self.name.to_uppercase())
    }
}
