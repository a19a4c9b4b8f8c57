//! Rows in the order of their partitions, however they come: what does not fit in memory waits in a
//! temporary file without a name.
//!
//! Rows of one partition keep their order. Which partition a row belongs to is decided by
//! [`Grouping`].

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek as _, SeekFrom};
use std::ops::Range;

use cidlake_query::arrow::array::RecordBatch;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::ipc::reader::StreamReader;
use cidlake_query::arrow::ipc::writer::StreamWriter;
use cidlake_query::layout::{Grouping, Partitioning};

use super::Incoming;
use super::pipeline::report;
use crate::error::{Error, ErrorKind};
use crate::lake::Inner;
use crate::progress::Progress;

/// How much is written and read at a time.
const BUFFER_BYTES: usize = 1 << 20;

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
            partition.push(Piece::Spilled(spill.write(&self.schema, &held)?));
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
        let spill = self.spill.take();
        taken.flatten().flat_map(move |piece| -> Box<dyn Iterator<Item = _> + Send> {
            match (piece, &spill) {
                (Piece::Held(rows), _) => Box::new(std::iter::once(Ok(rows))),
                (Piece::Spilled(range), Some(spill)) => match spill.read(range) {
                    Ok(rows) => Box::new(rows),
                    Err(error) => Box::new(std::iter::once(Err(error))),
                },
                (Piece::Spilled(_), None) => {
                    let error = Error::internal("rows wait in a file that is not there");
                    Box::new(std::iter::once(Err(error)))
                }
            }
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
    /// Writes rows behind those that are there, batch by batch.
    fn write(&mut self, schema: &SchemaRef, rows: &[RecordBatch]) -> Result<Range<u64>, Error> {
        self.file.seek(SeekFrom::Start(self.end)).map_err(unkept)?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, &self.file);
        let mut writer = StreamWriter::try_new(out, schema).map_err(unkept)?;
        for batch in rows {
            writer.write(batch).map_err(unkept)?;
        }
        let out = writer.into_inner().map_err(unkept)?;
        out.into_inner().map_err(|error| unkept(error.into_error()))?;
        let start = self.end;
        self.end = self.file.stream_position().map_err(unkept)?;
        Ok(start..self.end)
    }

    /// Reads rows back as they were written, a batch at a time.
    fn read(
        &self,
        range: Range<u64>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, Error>> + Send + use<>, Error> {
        let file = self.file.try_clone().map_err(unkept)?;
        let section = BufReader::with_capacity(BUFFER_BYTES, Section { file, rest: range });
        let reader = StreamReader::try_new(section, None).map_err(unkept)?;
        Ok(reader.map(|rows| rows.map_err(unkept)))
    }
}

/// Some bytes of the file. Its place in the file is its own, whoever else reads there.
struct Section {
    file: File,
    rest: Range<u64>,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
        let len = buffer.len().min(rest);
        self.file.seek(SeekFrom::Start(self.rest.start))?;
        let read = self.file.read(buffer.get_mut(..len).unwrap_or_default())?;
        self.rest.start += read as u64;
        Ok(read)
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
    use cidlake_query::arrow::compute::concat_batches;

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
