//! Rows in the order of their partitions, however they come: what does not fit in memory waits in a
//! temporary file without a name.
//!
//! Rows of one partition keep their order. Which partition a row belongs to is decided by
//! [`Grouping`].

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;

use cidlake_query::arrow::array::RecordBatch;
use cidlake_query::arrow::compute::concat_batches;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::error::ArrowError;
use cidlake_query::arrow::ipc::reader::StreamReader;
use cidlake_query::arrow::ipc::writer::StreamWriter;
use cidlake_query::layout::{Grouping, Partitioning};

use super::Incoming;
use super::pipeline::report;
use crate::error::{Error, ErrorKind};
use crate::lake::Inner;
use crate::progress::Progress;

/// Rows that wait, by the number of their partition.
struct Waiting {
    schema: SchemaRef,
    partitions: Vec<Vec<Piece>>,
    bytes: u64,
    bytes_max: u64,
    rows: u64,
    spill: Option<Spill>,
}

/// Some rows of a partition.
enum Piece {
    /// In memory.
    Held(RecordBatch),
    /// In the file, as an Arrow IPC stream.
    Spilled(Range<u64>),
}

struct Spill {
    file: File,
    end: u64,
}

impl Inner {
    /// Returns rows in the order of their partitions, in canonical types; all are read first. Where
    /// the table is not partitioned they are returned as they are.
    pub(crate) fn grouped<'a>(
        &self,
        mut rows: Incoming<'a>,
        partitioning: &Partitioning,
        progress: &Progress,
    ) -> Result<Incoming<'a>, Error> {
        if !partitioning.is_partitioned() {
            return Ok(rows);
        }
        let schema = SchemaRef::clone(partitioning.schema());
        let mut grouping = Grouping::new(partitioning.clone())?;
        let mut waiting = Waiting {
            schema: SchemaRef::clone(&schema),
            partitions: Vec::new(),
            bytes: 0,
            // The other half is for row groups on their way.
            bytes_max: self.settings.memory_bytes_max as u64 / 2,
            rows: 0,
            spill: None,
        };
        while let Some(batch) = rows.batches.next() {
            waiting.take(grouping.push(&batch?)?)?;
            report(progress, "partitioning", &rows, waiting.rows);
        }
        waiting.take(grouping.finish()?)?;
        Ok(Incoming {
            schema,
            rows_total: Some(waiting.rows),
            batches: Box::new(waiting.in_order(grouping.order())),
            bytes_total: None,
            bytes_read: Box::new(|| 0),
        })
    }
}

impl Waiting {
    fn take(&mut self, pieces: Vec<(usize, RecordBatch)>) -> Result<(), Error> {
        for (number, rows) in pieces {
            self.rows += rows.num_rows() as u64;
            self.bytes += rows.get_array_memory_size() as u64;
            if self.partitions.len() <= number {
                self.partitions.resize_with(number + 1, Vec::new);
            }
            if let Some(partition) = self.partitions.get_mut(number) {
                partition.push(Piece::Held(rows));
            }
        }
        if self.bytes > self.bytes_max { self.spill() } else { Ok(()) }
    }

    /// Moves all rows in memory to the file.
    fn spill(&mut self) -> Result<(), Error> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill { file: tempfile::tempfile().map_err(unkept)?, end: 0 }),
        };
        for partition in &mut self.partitions {
            let held: Vec<RecordBatch> = partition.iter().filter_map(Piece::held).collect();
            if held.is_empty() {
                continue;
            }
            partition.retain(|piece| piece.held().is_none());
            let range = spill.write(&concat_batches(&self.schema, &held).map_err(unkept)?)?;
            partition.push(Piece::Spilled(range));
        }
        self.bytes = 0;
        Ok(())
    }

    /// Returns all rows, those of partitions in the order of their numbers in `order`.
    fn in_order(
        mut self,
        order: Vec<usize>,
    ) -> impl Iterator<Item = Result<RecordBatch, Error>> + Send {
        let mut partitions = std::mem::take(&mut self.partitions);
        let taken = order
            .into_iter()
            .filter_map(move |number| partitions.get_mut(number).map(std::mem::take));
        taken.flatten().map(move |piece| match (piece, &mut self.spill) {
            (Piece::Held(rows), _) => Ok(rows),
            (Piece::Spilled(range), Some(spill)) => spill.read(range),
            (Piece::Spilled(_), None) => Err(Error::internal("rows wait in a file that is not")),
        })
    }
}

impl Piece {
    fn held(&self) -> Option<RecordBatch> {
        match self {
            Self::Held(rows) => Some(rows.clone()),
            Self::Spilled(_) => None,
        }
    }
}

impl Spill {
    fn write(&mut self, rows: &RecordBatch) -> Result<Range<u64>, Error> {
        let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).map_err(unkept)?;
        writer.write(rows).map_err(unkept)?;
        let bytes = writer.into_inner().map_err(unkept)?;
        self.file.seek(SeekFrom::Start(self.end)).map_err(unkept)?;
        self.file.write_all(&bytes).map_err(unkept)?;
        let start = self.end;
        self.end += bytes.len() as u64;
        Ok(start..self.end)
    }

    fn read(&mut self, range: Range<u64>) -> Result<RecordBatch, Error> {
        self.file.seek(SeekFrom::Start(range.start)).map_err(unkept)?;
        let mut bytes = Vec::new();
        let file = &mut self.file;
        file.take(range.end - range.start).read_to_end(&mut bytes).map_err(unkept)?;
        let mut reader = StreamReader::try_new(bytes.as_slice(), None).map_err(unkept)?;
        match reader.next() {
            Some(rows) => rows.map_err(unkept),
            None => Err(unkept(ArrowError::IpcError("it ends too early".to_owned()))),
        }
    }
}

fn unkept(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = "rows that wait for others of their partition could not be kept in a file";
    Error::new(ErrorKind::Unavailable, message)
        .with_source(error)
        .with_hint("TMPDIR names the folder of temporary files; is there room?")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cidlake_query::arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn rows(values: &[i64]) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[test]
    fn rows_keep_the_order_of_their_partition_in_memory_and_in_the_file() {
        for bytes_max in [0, u64::MAX] {
            let mut waiting = Waiting {
                schema: rows(&[]).schema(),
                partitions: Vec::new(),
                bytes: 0,
                bytes_max,
                rows: 0,
                spill: None,
            };
            waiting.take(vec![(0, rows(&[1, 2])), (1, rows(&[10]))]).unwrap();
            waiting.take(vec![(1, rows(&[11, 12])), (0, rows(&[3]))]).unwrap();
            assert_eq!(waiting.spill.is_some(), bytes_max == 0);
            let batches: Vec<RecordBatch> =
                waiting.in_order(vec![1, 0]).map(Result::unwrap).collect();
            let all = concat_batches(&rows(&[]).schema(), &batches).unwrap();
            assert_eq!(all, rows(&[10, 11, 12, 1, 2, 3]), "{bytes_max}");
        }
    }
}
