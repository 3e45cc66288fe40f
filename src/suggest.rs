//! Suggests the nearest name for a typo.

/// Returns the candidate nearest to a mistyped name, if it is near enough: at most a third of the
/// name's characters may differ, at least 1 and at most 3.
pub fn nearest<T: AsRef<str>>(name: &str, candidates: impl Iterator<Item = T>) -> Option<T> {
    let max_distance = (name.chars().count() / 3).clamp(1, 3);
    let distance = |candidate: &T| strsim::damerau_levenshtein(name, candidate.as_ref());
    candidates.min_by_key(distance).filter(|candidate| distance(candidate) <= max_distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
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
