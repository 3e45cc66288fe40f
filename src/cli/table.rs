//! Tables: columns as wide as their widest cell, or wider.

use std::fmt::Write as _;

use crate::printable::Printable;

/// Formats rows, of which the first is the heading; the last column has no blanks after it.
pub(super) fn lines<const N: usize>(rows: &[[String; N]], min_widths: [usize; N]) -> Vec<String> {
    // The columns are as wide as what is shown.
    let shown = |cell: &String| Printable(cell).to_string();
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(shown)).collect();
    let mut widths = min_widths;
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_shown() {
        let rows = [["PORT", "NAME"], ["1", "a\u{1b}b"], ["49201", ""]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(lines(&rows, [0; 2]), ["PORT   NAME", "1      a\\u{1b}b", "49201"]);
        assert_eq!(lines(&rows, [7, 20]), ["PORT     NAME", "1        a\\u{1b}b", "49201"]);
    }
}
