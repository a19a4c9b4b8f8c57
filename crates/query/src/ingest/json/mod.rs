//! JSON: an array of objects, or one object a line. Each object is one row, each key a column, in
//! the order in which keys first appear; what a row lacks is null. Text stays text. The whole file
//! is read once to find types ([`infer`]) and once more in those types.

mod elements;
mod infer;

#[cfg(test)]
mod tests;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;

use self::elements::Elements;
pub(super) use self::elements::Layout;
use self::infer::Inference;
use super::source::{Guarded, Source, guarded};
use super::{BATCH_ROWS, Batches};
use crate::error::{QueryError, arrow_message};

/// A batch is complete when its objects' text reaches this size.
const BATCH_BYTES: usize = 16 << 20;

pub(super) fn open(source: Source, layout: Layout) -> Result<(SchemaRef, Batches), QueryError> {
    let label = source.label().to_owned();
    guarded(&label, || {
        let mut objects = Elements::new(source.uncounted_at(0)?, &label, layout);
        let mut inference = Inference::new(&label);
        let mut text = Vec::new();
        while let Some(line) = objects.next(&mut text)? {
            inference.observe(&text, line)?;
        }
        let schema = inference.schema()?;
        let rows = Rows {
            objects: Elements::new(source.reader_at(0)?, &label, layout),
            decoder: decoder(&schema)?,
            label: label.clone(),
            text,
        };
        let batches: Batches = Box::new(Guarded::new(&label, rows));
        Ok((schema, batches))
    })
}

/// Numbers and booleans become text where a column holds them beside text.
fn decoder(schema: &SchemaRef) -> Result<Decoder, QueryError> {
    ReaderBuilder::new(SchemaRef::clone(schema))
        .with_batch_size(BATCH_ROWS)
        .with_coerce_primitive(true)
        .build_decoder()
        .map_err(|error| QueryError::internal(arrow_message(&error)))
}

/// The second reading: objects to batches.
struct Rows {
    objects: Elements,
    decoder: Decoder,
    label: String,
    text: Vec<u8>,
}

impl Rows {
    fn batch(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let mut first = None;
        let (mut rows, mut bytes) = (0, 0);
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(line) = self.objects.next(&mut self.text)? else { break };
            first.get_or_insert(line);
            self.decoder.decode(&self.text).map_err(|error| {
                QueryError::bad_input(&self.label, format!("line {line}"), arrow_message(&error))
            })?;
            rows += 1;
            bytes += self.text.len();
        }
        self.decoder.flush().map_err(|error| {
            let place = first.map_or_else(String::new, |line| format!("from line {line} on"));
            QueryError::bad_input(&self.label, place, arrow_message(&error))
        })
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}
