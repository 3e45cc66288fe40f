//! How the range lies in the one that the kernel takes ports from by itself.

use super::Finding;
use crate::api::Overlap;

/// The range from the first to the last port, both inclusive, where the kernel may take of it.
pub(super) fn examine((min, max): (u16, u16), overlap: &Overlap, is_held: bool) -> Finding {
    let ephemeral = &overlap.ephemeral;
    let ends = ephemeral
        .split_once('-')
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let is_inside = ends.is_some_and(|(first, last): (u16, u16)| first <= min && max <= last);
    let lies = if is_inside { "lies inside" } else { "overlaps" };
    let protected = match is_held {
        true => "TCP ports are held, UDP is not protected",
        false => "neither TCP nor UDP is protected",
    };
    let text = format!("{min}-{max} {lies} the kernel's ephemeral range {ephemeral}; {protected}");
    Finding::warn("range", text, &overlap.reserve)
}
