//! Tables of text for a terminal.

use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::context::visible;

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Terminals that claim to be narrower than this do not know their width.
const NARROWEST: u16 = 20;

/// A grid of text that wraps to the terminal's width; a row stays a line where stdout is no terminal.
#[derive(Debug)]
pub struct Grid(Table);

impl Grid {
    /// A grid with these columns.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            if table.width().is_none_or(|columns| columns < NARROWEST) {
                table.set_width(80);
            }
        }
        table.set_header(columns.iter().map(|(name, align)| {
            Cell::new(name).set_alignment(if *align == Align::Right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            })
        }));
        for (i, (_, align)) in columns.iter().enumerate() {
            if let (Align::Right, Some(column)) = (align, table.column_mut(i)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self(table)
    }

    /// Adds a row; control characters are shown, not obeyed.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.0.add_row(cells.into_iter().map(|c| visible(c.as_ref()).into_owned()));
    }
}

impl std::fmt::Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.trim_fmt().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_in_a_cell_reaches_no_terminal() {
        let mut grid = Grid::new(&[("name", Align::Left)]);
        grid.row(["\u{1b}[31mred \u{202e}neerg\nblue"]);
        let shown = grid.to_string();
        assert!(
            !shown.contains(['\u{1b}', '\u{202e}']) && shown.contains("[31mred �neerg blue"),
            "{shown:?}"
        );
    }
}
