//! Rows with one value a line, for rows too wide to be a table. Values are whole; control characters
//! are written as escapes, as in tables.

use cidlake::Error;
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::emit::Cells;

use super::table::{NULL, escape};

/// Returns the rows of a batch, an empty line between two; the first line of all is that of the
/// `first` batch.
///
/// # Errors
/// When a column has no text form.
pub(super) fn line_rows(batch: &RecordBatch, first: bool) -> Result<String, Error> {
    let cells = Cells::new(batch)?;
    let names: Vec<String> = cells.names().iter().map(|name| escape(name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for row in 0..cells.rows() {
        if row > 0 || !first {
            text.push('\n');
        }
        for (column, name) in names.iter().enumerate() {
            let value = cells.text(row, column).unwrap_or_else(|| NULL.to_owned());
            text.push_str(&format!("{name:>width$} = {}\n", escape(&value)));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cidlake::arrow::array::{ArrayRef, Int64Array, StringArray};
    use cidlake::arrow::record_batch::RecordBatch;

    use super::line_rows;

    #[test]
    fn a_value_is_a_line_and_a_row_a_paragraph() {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\nb"), None]));
        let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
        let expected = "  id = 1\nname = a\\nb\n\n  id = 2\nname = NULL\n";
        assert_eq!(line_rows(&batch, true).unwrap(), expected);
        assert_eq!(line_rows(&batch, false).unwrap(), format!("\n{expected}"));
        assert_eq!(line_rows(&batch.slice(0, 0), true).unwrap(), "");
    }
}
