//! Whether the range overlaps the kernel's ephemeral range.

use super::Finding;
use crate::api::Overlap;

/// Reports an overlap; the range is its first and last port, both inclusive.
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
