//! Users of the machine, and which of them may make changes.

use std::collections::BTreeSet;

use nix::unistd::User;
use thiserror::Error;

use crate::quoted::Quoted;

/// What the kernel calls a user who has no number here, such as one of another user namespace.
const NOBODY: u32 = 65534;

/// A set of users, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Every user, also one that can't be told.
    Anybody,
    /// These users.
    Only(BTreeSet<u32>),
}

/// Why a list of users can't be taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UserError {
    /// Neither a name nor a number of a user.
    #[error("there is no user {0} on this machine")]
    Unknown(Quoted),
    /// `*` stands among others.
    #[error("\"*\" is anybody and must stand alone")]
    NotAlone,
    /// The number that stands for users who have none.
    #[error("user 65534 stands for unknown users and can't be allowed")]
    Nobody,
}

impl Default for Users {
    /// No user.
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Users {
    /// Reads users by name or by number; `*` alone is anybody.
    ///
    /// # Errors
    /// A user who does not exist, or can't be named.
    pub fn parse<'a>(users: impl Iterator<Item = &'a str>) -> Result<Self, UserError> {
        let users: Vec<&str> = users.collect();
        match users[..] {
            ["*"] => Ok(Self::Anybody),
            _ if users.contains(&"*") => Err(UserError::NotAlone),
            _ => Ok(Self::Only(users.into_iter().map(number).collect::<Result<_, _>>()?)),
        }
    }

    /// The set with root and the user who runs this process in it.
    ///
    /// The number 65534 is added only where it is one user's: where every user of the machine has
    /// a number of its own here, and none is shown as 65534 for want of one.
    #[must_use]
    pub fn with_own(self) -> Self {
        let own = rustix::process::geteuid().as_raw();
        match self {
            Self::Anybody => Self::Anybody,
            Self::Only(mut users) => {
                users.insert(0);
                users.extend((own != NOBODY || all_users_have_numbers()).then_some(own));
                Self::Only(users)
            }
        }
    }

    /// Whether this user is in the set; `None` is a user who can't be told.
    pub fn include(&self, user: Option<u32>) -> bool {
        match self {
            Self::Anybody => true,
            Self::Only(users) => user.is_some_and(|user| users.contains(&user)),
        }
    }
}

/// Whether this process is in no user namespace, or in one that maps every user
/// (user_namespaces(7)).
fn all_users_have_numbers() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

fn number(user: &str) -> Result<u32, UserError> {
    let by_number = || user.parse().ok().filter(|_| user.bytes().all(|byte| byte.is_ascii_digit()));
    let by_name = || User::from_name(user).ok().flatten().map(|found| found.uid.as_raw());
    match by_number().or_else(by_name) {
        Some(NOBODY) => Err(UserError::Nobody),
        Some(number) => Ok(number),
        None => Err(UserError::Unknown(Quoted::new(user))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<Users, UserError> {
        Users::parse(list.split(' ').filter(|part| !part.is_empty()))
    }

    #[test]
    fn a_set_includes_whom_it_names() {
        let rows: &[(&str, &[Option<u32>], &[Option<u32>])] = &[
            ("", &[], &[None, Some(0), Some(1000), Some(65534)]),
            ("root 1000", &[Some(0), Some(1000)], &[None, Some(1), Some(65534)]),
            ("*", &[None, Some(0), Some(7), Some(65534)], &[]),
        ];
        for (list, members, others) in rows {
            let users = parse(list).unwrap();
            assert!(members.iter().all(|user| users.include(*user)), "{list}");
            assert!(!others.iter().any(|user| users.include(*user)), "{list}");
        }
        let own = Some(rustix::process::geteuid().as_raw());
        assert!(Users::default().with_own().include(own));
        assert!(Users::default().with_own().include(Some(0)));
        assert!(!Users::default().with_own().include(None));
    }

    #[test]
    fn who_does_not_exist_is_named() {
        let unknown = |user: &str| Err(UserError::Unknown(Quoted::new(user)));
        assert_eq!(parse("no-such-user"), unknown("no-such-user"));
        assert_eq!(parse("+1000"), unknown("+1000"));
        assert_eq!(parse("4294967296"), unknown("4294967296"));
        assert_eq!(parse("* 1"), Err(UserError::NotAlone));
        assert_eq!(parse("65534"), Err(UserError::Nobody));
    }
}
