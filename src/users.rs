//! Sets of users: who may make changes, and whose pald is believed.

use std::collections::BTreeSet;

use nix::unistd::User;
use thiserror::Error;

use crate::quoted::Quoted;

/// The ID that the kernel shows for a user without an ID in this user namespace
/// (user_namespaces(7)).
const NOBODY: u32 = 65534;

/// A set of users, by ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Every user, even an unknown one.
    Anybody,
    /// These users.
    Only(BTreeSet<u32>),
}

/// Why a list of users is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UserError {
    /// No user has the name, and it is not an ID.
    #[error("there is no user {0} on this machine")]
    Unknown(Quoted),
    /// `*` is not the only entry.
    #[error("\"*\" means anybody and must be the only entry")]
    NotAlone,
    /// The ID is the one that the kernel shows for unknown users.
    #[error("user 65534 stands for unknown users and can't be allowed")]
    Nobody,
}

impl Default for Users {
    /// Returns the empty set.
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Users {
    /// Parses names and IDs of users; `*` alone means anybody.
    ///
    /// # Errors
    /// A name is unknown, the ID is 65534, or `*` is not alone.
    pub fn parse<'a>(users: impl Iterator<Item = &'a str>) -> Result<Self, UserError> {
        let users: Vec<&str> = users.collect();
        match users[..] {
            ["*"] => Ok(Self::Anybody),
            _ if users.contains(&"*") => Err(UserError::NotAlone),
            _ => Ok(Self::Only(users.into_iter().map(user_id).collect::<Result<_, _>>()?)),
        }
    }

    /// Parses the name or ID of one user.
    ///
    /// # Errors
    /// The name is unknown, or the ID is 65534.
    pub fn one(user: &str) -> Result<Self, UserError> {
        Ok(Self::Only([user_id(user)?].into()))
    }

    /// Adds root and the user who runs this process.
    ///
    /// The ID 65534 is added only where it means one user: where the user namespace maps every user,
    /// so that the kernel shows no other user as 65534.
    #[must_use]
    pub fn with_own(self) -> Self {
        let own = rustix::process::geteuid().as_raw();
        match self {
            Self::Anybody => Self::Anybody,
            Self::Only(mut users) => {
                users.insert(0);
                users.extend((own != NOBODY || every_user_is_mapped()).then_some(own));
                Self::Only(users)
            }
        }
    }

    /// Returns whether an ID says nothing about a user: it is the one that the kernel shows for all
    /// users outside this user namespace, and this process's own user is outside too.
    pub fn cannot_tell(user: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        user == NOBODY && own == NOBODY && !every_user_is_mapped()
    }

    /// Returns whether the user is in the set; `None` stands for an unknown user.
    pub fn include(&self, user: Option<u32>) -> bool {
        match self {
            Self::Anybody => true,
            Self::Only(users) => user.is_some_and(|user| users.contains(&user)),
        }
    }
}

/// Returns whether a user is outside this process's user namespace, as far as the kernel tells: it
/// shows all of these as one.
pub fn is_outside(user: u32) -> bool {
    user == NOBODY && uid_map().is_some_and(|map| !maps_every_user(&map))
}

/// Returns whether this process's user namespace maps every user (user_namespaces(7)).
fn every_user_is_mapped() -> bool {
    uid_map().is_some_and(|map| maps_every_user(&map))
}

/// Returns how this process's user namespace maps users; `None` where there are no namespaces.
fn uid_map() -> Option<String> {
    std::fs::read_to_string("/proc/self/uid_map").ok()
}

fn maps_every_user(uid_map: &str) -> bool {
    uid_map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Returns the ID of a user given by ID or name.
fn user_id(user: &str) -> Result<u32, UserError> {
    let by_id = || user.parse().ok().filter(|_| user.bytes().all(|byte| byte.is_ascii_digit()));
    let by_name = || User::from_name(user).ok().flatten().map(|found| found.uid.as_raw());
    match by_id().or_else(by_name) {
        Some(NOBODY) => Err(UserError::Nobody),
        Some(id) => Ok(id),
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
    fn a_set_includes_the_users_it_names() {
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
    fn an_unknown_user_is_quoted() {
        let unknown = |user: &str| Err(UserError::Unknown(Quoted::new(user)));
        assert_eq!(parse("no-such-user"), unknown("no-such-user"));
        assert_eq!(parse("+1000"), unknown("+1000"));
        assert_eq!(parse("4294967296"), unknown("4294967296"));
        assert_eq!(parse("* 1"), Err(UserError::NotAlone));
        assert_eq!(parse("65534"), Err(UserError::Nobody));
    }
}
