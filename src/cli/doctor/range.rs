//! Whether the range overlaps the kernel's ephemeral range.

use super::Finding;

/// Reports an overlap; both ranges are their first and last port, both inclusive.
pub(super) fn examine(
    (min, max): (u16, u16),
    (first, last): (u16, u16),
    reserve: &str,
    is_held: bool,
) -> Finding {
    let lies = if first <= min && max <= last { "lies inside" } else { "overlaps" };
    let protected = match is_held {
        true => {
            "TCP ports are held, but not against Docker's dynamic ports (`-p 0:80`), and UDP is not \
             protected"
        }
        false => "neither TCP nor UDP is protected",
    };
    let text =
        format!("{min}-{max} {lies} the kernel's ephemeral range {first}-{last}; {protected}");
    Finding::warn("range", text, reserve)
}
