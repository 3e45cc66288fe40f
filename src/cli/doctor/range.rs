//! Whether the range overlaps the kernel's ephemeral range.

use super::Finding;
use crate::api::Overlap;

/// Reports an overlap; the range is its first and last port, both inclusive.
pub(super) fn examine((min, max): (u16, u16), overlap: &Overlap, is_held: bool) -> Finding {
    let Overlap { ephemeral, ephemeral_min, ephemeral_max, reserve } = overlap;
    let is_inside = *ephemeral_min <= min && max <= *ephemeral_max;
    let lies = if is_inside { "lies inside" } else { "overlaps" };
    let protected = match is_held {
        true => "TCP ports are held, UDP is not protected",
        false => "neither TCP nor UDP is protected",
    };
    let text = format!("{min}-{max} {lies} the kernel's ephemeral range {ephemeral}; {protected}");
    Finding::warn("range", text, reserve)
}
