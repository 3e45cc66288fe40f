//! What somebody probably meant who has typed something else.

/// The candidate that a mistyped name was meant to be, if one is near enough: a third of the name
/// may differ, and at most 3 characters.
pub fn nearest<T: AsRef<str>>(name: &str, candidates: impl Iterator<Item = T>) -> Option<T> {
    let at_most = (name.chars().count() / 3).clamp(1, 3);
    let distance = |candidate: &T| strsim::damerau_levenshtein(name, candidate.as_ref());
    candidates.min_by_key(distance).filter(|candidate| distance(candidate) <= at_most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_offered() {
        let rows = [
            ("shop.wbe", Some("shop.web")),
            ("shop.web2", Some("shop.web")),
            ("SHOP.web", None),
            ("ap", Some("api")),
            ("db", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(nearest(name, ["api", "shop.web"].into_iter()), expected, "{name}");
        }
    }
}
