//! Tables: columns as wide as their widest cell.

use crate::printable::Printable;

/// Formats rows, of which the first is the heading; the last column has no blanks after it.
pub(super) fn lines<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    // The columns are as wide as what is shown.
    let shown = |cell: &String| Printable(cell).to_string();
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(shown)).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_shown() {
        let rows = [["PORT", "NAME"], ["1", "a\u{1b}b"], ["49201", ""]];
        let lines = lines(&rows.map(|row| row.map(str::to_owned)));
        assert_eq!(lines, ["PORT   NAME", "1      a\\u{1b}b", "49201"]);
    }
}
