//! Finds the column whose values cannot be decoded, for decoders that do not say which: each column
//! is read alone. Only where reading all of them has failed.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

/// Names the first column that cannot be read alone, and the rows before it that can.
///
/// `read` gives a reader of the column with this number; nothing where it has none.
pub(super) fn failing_column<R>(
    schema: &Schema,
    mut read: impl FnMut(usize) -> Option<R>,
) -> Option<String>
where
    R: Iterator<Item = Result<RecordBatch, ArrowError>>,
{
    schema.fields().iter().enumerate().find_map(|(index, field)| {
        let mut rows = 0;
        for batch in read(index)? {
            match batch {
                Ok(batch) => rows += batch.num_rows(),
                Err(_) => return Some(format!("column `{}`, after row {rows}", field.name())),
            }
        }
        None
    })
}
