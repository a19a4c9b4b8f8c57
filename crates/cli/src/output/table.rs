//! Text laid out for people: tables in boxes, lists without boxes, fields, Markdown.
//!
//! Cells are cut to a readable length, and control characters are written as escapes, so that
//! stored text cannot drive the terminal. Colours are not used.

use cidlake::Error;
use cidlake::arrow::datatypes::Schema;
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::emit::{Cells, markdown_cell};
use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, Table};

/// Characters of one cell that are shown; a CID fits.
const CELL_CHARACTERS_MAX: usize = 64;
/// What a column takes beside its content: two spaces and a line.
const COLUMN_FRAME: usize = 3;
/// How null reads where no value is nothing.
pub(super) const NULL: &str = "NULL";

/// On which side a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table of text that is being put together.
#[derive(Debug)]
pub(crate) struct Layout {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Layout {
    /// Begins a table with these columns.
    pub(crate) fn new<'a>(heads: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let heads = heads.into_iter().map(|(name, align)| (tame(name), align)).collect();
        Self { heads, rows: Vec::new() }
    }

    /// Begins a table with the columns of a schema, numbers on the right.
    pub(crate) fn of_schema(schema: &Schema) -> Self {
        Self::new(schema.fields().iter().map(|field| {
            let align = if field.data_type().is_numeric() { Align::Right } else { Align::Left };
            (field.name().as_str(), align)
        }))
    }

    /// Adds a row.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| tame(cell.as_ref())).collect());
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// When a column has no text form.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows() {
            let texts = (0..batch.num_columns())
                .map(|column| cells.text(row, column).unwrap_or_else(|| NULL.to_owned()));
            self.row(texts);
        }
        Ok(())
    }

    /// Returns the number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.heads.len()
    }

    /// Draws the table in a box no wider than `width`; returns it with the number of columns that
    /// fit, at least one.
    pub(crate) fn boxed(&self, width: Option<u16>) -> (String, usize) {
        let mut table = self.table(self.heads.len());
        let shown = match width {
            Some(width) => columns_that_fit(&table.column_max_content_widths(), width),
            None => self.heads.len(),
        };
        if shown < self.heads.len() {
            table = self.table(shown);
        }
        table.load_preset(UTF8_FULL_CONDENSED);
        (format!("{table}\n"), shown)
    }

    /// Draws the table as a list: no box, two spaces between columns.
    pub(crate) fn list(&self) -> String {
        let mut table = self.table(self.heads.len());
        table.load_preset(NOTHING);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        format!("{}\n", table.trim_fmt())
    }

    fn table(&self, columns: usize) -> Table {
        let mut table = Table::new();
        let cell = |text: &String, align: &Align| {
            Cell::new(text).set_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            })
        };
        let heads = self.heads.iter().take(columns);
        table.set_header(heads.map(|(name, align)| cell(name, align)));
        for row in &self.rows {
            let cells = row.iter().zip(&self.heads).take(columns);
            table.add_row(cells.map(|(text, (_, align))| cell(text, align)));
        }
        table
    }
}

fn columns_that_fit(widths: &[u16], width: u16) -> usize {
    let mut used = 1;
    let fitting = widths.iter().take_while(|content| {
        used += usize::from(**content) + COLUMN_FRAME;
        used <= usize::from(width)
    });
    fitting.count().max(1).min(widths.len())
}

/// Lays out names and values, a pair a line.
pub(crate) fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<(&str, String)> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    pairs.iter().map(|(name, value)| format!("{name:<width$}  {}\n", escape(value))).collect()
}

/// Returns the first two lines of a Markdown table.
pub(crate) fn markdown_head(schema: &Schema) -> String {
    let mut names = String::from("|");
    let mut lines = String::from("|");
    for field in schema.fields() {
        names.push_str(&format!(" {} |", markdown_cell(field.name())));
        lines.push_str(if field.data_type().is_numeric() { " ---: |" } else { " --- |" });
    }
    format!("{names}\n{lines}\n")
}

/// Returns the rows of a batch as rows of a Markdown table, whole; null is an empty cell.
///
/// # Errors
/// When a column has no text form.
pub(crate) fn markdown_rows(batch: &RecordBatch) -> Result<String, Error> {
    let cells = Cells::new(batch)?;
    let mut text = String::new();
    for row in 0..cells.rows() {
        text.push('|');
        for column in 0..batch.num_columns() {
            let cell = cells.text(row, column).unwrap_or_default();
            text.push_str(&format!(" {} |", markdown_cell(&cell)));
        }
        text.push('\n');
    }
    Ok(text)
}

/// Cuts and escapes the text of a cell.
pub(crate) fn tame(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARACTERS_MAX) {
        None => escape(text),
        Some((end, _)) => format!("{}…", escape(text.get(..end).unwrap_or_default())),
    }
}

/// Writes control characters as escapes.
pub(super) fn escape(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Align, Layout, columns_that_fit, fields, tame};

    fn example() -> Layout {
        let mut layout = Layout::new([("name", Align::Left), ("n", Align::Right)]);
        layout.row(["Ada", "1"]);
        layout.row(["Bob", "20"]);
        layout
    }

    #[test]
    fn a_box_has_lines_around_it() {
        let (text, shown) = example().boxed(None);
        assert_eq!(shown, 2);
        assert_eq!(
            text,
            "┌──────┬────┐\n\
             │ name ┆  n │\n\
             ╞══════╪════╡\n\
             │ Ada  ┆  1 │\n\
             │ Bob  ┆ 20 │\n\
             └──────┴────┘\n"
        );
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out() {
        let (text, shown) = example().boxed(Some(9));
        assert_eq!(shown, 1);
        assert!(text.contains("Ada") && !text.contains("20"), "{text}");
        let table: [(&[u16], u16, usize); 4] =
            [(&[4, 2], 13, 2), (&[4, 2], 12, 1), (&[40, 2], 5, 1), (&[], 5, 0)];
        for (widths, width, expected) in table {
            assert_eq!(columns_that_fit(widths, width), expected, "{widths:?} in {width}");
        }
    }

    #[test]
    fn a_list_has_no_lines_and_no_trailing_space() {
        assert_eq!(example().list(), "name   n\nAda    1\nBob   20\n");
    }

    #[test]
    fn fields_stand_below_each_other() {
        let text = fields([("cid", "x".to_owned()), ("commit", "y\u{1b}[2J".to_owned())]);
        assert_eq!(text, "cid     x\ncommit  y\\u{1b}[2J\n");
    }

    #[test]
    fn stored_text_is_cut_and_cannot_drive_the_terminal() {
        assert_eq!(tame("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(tame(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(tame(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
    }
}
