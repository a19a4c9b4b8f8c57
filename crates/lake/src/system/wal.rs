//! The log as a table: a row for each record, out of the copies of closed segments and then out of
//! the log itself.
//!
//! A row says what its record says. Columns that other stores of operations have too go by the names
//! that are known from there.

use std::collections::VecDeque;
use std::sync::Arc;

use cidlake_query::arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, MapBuilder, StringArray, StringBuilder,
    StructArray, UInt64Array,
};
use cidlake_query::arrow::array::{AsArray as _, BooleanArray};
use cidlake_query::arrow::compute::filter_record_batch;
use cidlake_query::arrow::datatypes::{DataType, Field, Fields, SchemaRef, UInt64Type};
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{DerivedReader, QueryError, Resolved};
use cidlake_store::{Event, LogCursor, LogRecord, Lsn, Outcome, Payload, Says, SealedLog};

use super::chunks;
use super::objects::moments;
use crate::error::Error;
use crate::index::{batch, texts};
use crate::lake::{Inner, Lake};

/// Records that are read at a time.
pub(super) const RECORDS_AT_ONCE: usize = 16 << 10;

/// Every record of the log, in order.
pub(super) fn table(lake: &Lake) -> Resolved {
    let inner = Arc::clone(&lake.inner);
    chunks::table(schema(), move || {
        let mut reading = Reading::begin(&inner)?;
        let inner = Arc::clone(&inner);
        Ok(Box::new(move || reading.next(&inner)))
    })
}

/// Returns the columns of the table.
pub(super) fn schema() -> SchemaRef {
    rows(&[]).unwrap_or_else(|error| unreachable!("no records make no table: {error}")).schema()
}

/// How far the log was read as a table.
struct Reading {
    /// The copies that are still to be read.
    sealed: VecDeque<SealedLog>,
    /// The copy that is being read.
    copy: Option<DerivedReader>,
    /// The log where there is no copy, as it is being read.
    cursor: Option<LogCursor>,
    /// The last record that is to be read there.
    reading_to: Lsn,
    /// The last record that was read.
    last: Lsn,
    /// The last record that the log had when this began.
    end: Lsn,
}

impl Reading {
    fn begin(inner: &Inner) -> Result<Self, Error> {
        let end = inner.store.log_end()?;
        // Copies of what this log does not have are of another.
        let sealed = inner.store.sealed_logs()?.into_iter();
        let sealed = sealed.filter(|copy| copy.last <= end).collect();
        let (reading_to, last) = (Lsn(0), Lsn(0));
        Ok(Self { sealed, copy: None, cursor: None, reading_to, last, end })
    }

    fn next(&mut self, inner: &Inner) -> Result<Option<RecordBatch>, Error> {
        loop {
            if let Some(batch) = self.copy.as_mut().and_then(Iterator::next) {
                let new = self.unread(&batch?)?;
                if new.num_rows() > 0 {
                    return Ok(Some(new));
                }
                continue;
            }
            self.copy = None;
            if let Some(cursor) = &mut self.cursor {
                let records = cursor.next(RECORDS_AT_ONCE)?;
                if let Some(last) = records.last() {
                    self.last = last.lsn;
                    return Ok(Some(rows(&records)?));
                }
                self.cursor = None;
                if self.last < self.reading_to {
                    return Ok(None);
                }
            }
            let next = self.sealed.front().copied();
            match next {
                Some(copy) if copy.first.0 <= self.last.0 + 1 => {
                    self.sealed.pop_front();
                    // What is damaged, or was let go meanwhile, is read in the log.
                    if let Ok(Some(bytes)) = inner.store.read_sealed(copy) {
                        let label = copy.to_string();
                        self.copy = DerivedReader::new(&label, bytes, &schema()).ok();
                    }
                }
                // A copy is missing, or there is none yet.
                next => {
                    let end = next.map_or(self.end, |copy| Lsn(copy.first.0 - 1));
                    if self.last >= end {
                        return Ok(None);
                    }
                    self.reading_to = end;
                    self.cursor = Some(inner.store.log_after(self.last, Some(end))?);
                }
            }
        }
    }

    /// Returns the rows that another copy did not have already.
    fn unread(&mut self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let lsns = batch["lsn"].as_primitive::<UInt64Type>();
        let last = self.last.0;
        let new: BooleanArray = lsns.iter().map(|lsn| lsn.map(|lsn| lsn > last)).collect();
        self.last = Lsn(lsns.values().iter().copied().max().unwrap_or(0).max(last));
        Ok(filter_record_batch(batch, &new).map_err(QueryError::internal)?)
    }
}

/// A record as the columns of the table that it fills.
#[derive(Default)]
struct Row {
    operation: Option<u64>,
    kind: &'static str,
    operation_type: Option<String>,
    status: &'static str,
    timestamp: Option<u64>,
    updated: Option<u64>,
    completed: Option<u64>,
    parameters: Option<Vec<(String, String)>>,
    cid: Option<String>,
    size: Option<u64>,
    destination: Option<String>,
    error: Option<String>,
    error_type: Option<String>,
    retries: Option<u32>,
    retries_max: Option<u32>,
    next_retry: Option<u64>,
}

impl Row {
    fn of(record: &LogRecord) -> Self {
        let done = Self { status: "completed", ..Self::default() };
        match &record.says {
            Says::Nothing => Self { kind: "nothing", ..done },
            Says::Retired(packs) => {
                let destination = Some(packs.join(" "));
                Self { kind: "retire", operation_type: of_type("rm"), destination, ..done }
            }
            Says::Payload(Payload::Delta { delta }) => {
                Self { kind: "delta", operation_type: of_type("add"), cid: of_cid(delta), ..done }
            }
            Says::Payload(Payload::Pin { cid, name }) => Self {
                kind: "pin",
                operation_type: of_type("pin"),
                cid: of_cid(cid),
                destination: name.clone(),
                ..done
            },
            Says::Payload(Payload::Unpin { cid }) => {
                Self { kind: "unpin", operation_type: of_type("unpin"), cid: of_cid(cid), ..done }
            }
            Says::Payload(Payload::Expire { name, oldest }) => Self {
                kind: "expire",
                operation_type: of_type("rm"),
                cid: of_cid(oldest),
                destination: Some(name.clone()),
                ..done
            },
            Says::Operation(event) => Self::of_event(record.lsn, event),
        }
    }

    fn of_event(lsn: Lsn, event: &Event) -> Self {
        let row = Self {
            operation: Some(event.operation().map_or(lsn.0, |id| id.0)),
            operation_type: Some(event.kind().to_string()),
            updated: Some(event.at_ms()),
            ..Self::default()
        };
        match event {
            Event::Queued { at_ms, due_ms, attempts_max, params, .. } => Self {
                kind: "queued",
                status: "pending",
                timestamp: Some(*at_ms),
                parameters: Some(as_texts(params)),
                retries: Some(0),
                retries_max: Some(attempts_max.saturating_sub(1)),
                next_retry: (*due_ms > *at_ms).then_some(*due_ms),
                ..row
            },
            Event::Leased { attempt, .. } => Self {
                kind: "leased",
                status: "processing",
                retries: Some(attempt.saturating_sub(1)),
                ..row
            },
            Event::Renewed { .. } => Self { kind: "renewed", status: "processing", ..row },
            Event::Settled { at_ms, attempt, outcome, .. } => {
                let retries = Some(attempt.saturating_sub(1));
                let row = Self { kind: "settled", status: outcome.word(), retries, ..row };
                row.settled(*at_ms, outcome)
            }
            Event::Retried { .. } => Self { kind: "retried", status: "pending", ..row },
            Event::Dropped { .. } => Self { kind: "dropped", status: "dropped", ..row },
        }
    }

    fn settled(self, at_ms: u64, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Completed(result) => Self {
                completed: Some(at_ms),
                cid: result.cid.map(|cid| cid.to_string()),
                size: result.size,
                destination: result.destination.clone(),
                ..self
            },
            failed => Self {
                error: failed.failure().map(|failure| failure.message.clone()),
                error_type: failed.failure().map(|failure| failure.kind.clone()),
                next_retry: failed.due_ms(),
                ..self
            },
        }
    }
}

fn of_type(word: &str) -> Option<String> {
    Some(word.to_owned())
}

fn of_cid(cid: &cidlake_block::Cid) -> Option<String> {
    Some(cid.to_string())
}

fn as_texts(params: &cidlake_store::OperationParams) -> Vec<(String, String)> {
    let read: std::collections::BTreeMap<String, serde_json::Value> =
        params.read().unwrap_or_default();
    read.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// Returns records as rows.
pub(super) fn rows(records: &[LogRecord]) -> Result<RecordBatch, QueryError> {
    let all: Vec<Row> = records.iter().map(Row::of).collect();
    let ids: Vec<Option<String>> =
        all.iter().map(|row| row.operation.map(|id| id.to_string())).collect();
    let text = |pick: fn(&Row) -> Option<&str>| texts(all.iter().map(pick));
    let moment = |pick: fn(&Row) -> Option<u64>| moments(all.iter().map(pick));
    let small = |pick: fn(&Row) -> Option<u32>| -> ArrayRef {
        let values =
            all.iter().map(|row| pick(row).map(|value| i32::try_from(value).unwrap_or(i32::MAX)));
        Arc::new(values.collect::<Int32Array>())
    };
    let backend = |row: &Row| row.operation_type.is_some().then_some("local");
    let lsns: UInt64Array = records.iter().map(|record| Some(record.lsn.0)).collect();
    let payloads: BinaryArray =
        records.iter().map(|record| Some(record.payload.as_ref())).collect();
    batch(vec![
        ("lsn", Arc::new(lsns)),
        ("kind", text(|row| Some(row.kind))),
        ("operation_id", texts(ids.iter().map(Option::as_deref))),
        ("operation_type", text(|row| row.operation_type.as_deref())),
        ("status", text(|row| Some(row.status))),
        ("timestamp", moment(|row| row.timestamp)),
        ("updated_at", moment(|row| row.updated)),
        ("completed_at", moment(|row| row.completed)),
        ("backend", texts(all.iter().map(backend))),
        ("parameters", parameters(&all)?),
        ("result", results(&all)?),
        ("error", text(|row| row.error.as_deref())),
        ("error_type", text(|row| row.error_type.as_deref())),
        ("retry_count", small(|row| row.retries)),
        ("max_retries", small(|row| row.retries_max)),
        ("next_retry_at", moment(|row| row.next_retry)),
        ("payload", Arc::new(payloads)),
    ])
}

fn parameters(rows: &[Row]) -> Result<ArrayRef, QueryError> {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (name, value) in row.parameters.iter().flatten() {
            maps.keys().append_value(name);
            maps.values().append_value(value);
        }
        maps.append(row.parameters.is_some()).map_err(QueryError::internal)?;
    }
    Ok(Arc::new(maps.finish()))
}

fn results(rows: &[Row]) -> Result<ArrayRef, QueryError> {
    let cids: StringArray = rows.iter().map(|row| row.cid.as_deref()).collect();
    let sizes: Int64Array =
        rows.iter().map(|row| row.size.and_then(|size| i64::try_from(size).ok())).collect();
    let destinations: StringArray = rows.iter().map(|row| row.destination.as_deref()).collect();
    let fields = Fields::from(vec![
        Field::new("cid", DataType::Utf8, true),
        Field::new("size", DataType::Int64, true),
        Field::new("destination", DataType::Utf8, true),
    ]);
    let is_there = |row: &Row| row.cid.is_some() || row.size.is_some() || row.destination.is_some();
    let there: Vec<bool> = rows.iter().map(is_there).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(cids), Arc::new(sizes), Arc::new(destinations)];
    let results = StructArray::try_new(fields, columns, Some(there.into()));
    Ok(Arc::new(results.map_err(QueryError::internal)?))
}
