//! Statements that write: their rows and conditions go the ways of `store` and `delete`, each as one
//! commit. What a statement asks for was found out by the query engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cidlake_block::Cid;
use cidlake_catalog::Name;
use cidlake_query::arrow::array::{Array as _, ArrayRef, StringArray, UInt64Array};
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::error::ArrowError;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::layout::{restore, schema_from_bytes};
use cidlake_query::{Change, QueryError, Write};
use cidlake_store::Hold;
use tokio::runtime::Handle;

use crate::edit::delete::{DeleteRequest, Doomed};
use crate::error::{Error, ErrorKind};
use crate::history::{Found, parse_name};
use crate::ingest::{BatchSource, Source};
use crate::lake::{Inner, Lake};
use crate::progress::no_progress;
use crate::rows::{Deadline, Rows, Stop};
use crate::write::{ExpectedHead, StoreMode, StoreRequest, Stored};

/// The operation of a statement that had nothing to do.
const NOTHING: &str = "none";

/// What a statement wrote.
struct Written {
    name: String,
    /// What the commit did; [`NOTHING`] where there is no new one.
    operation: String,
    commit: Cid,
    cid: Cid,
    rows: u64,
    rows_affected: u64,
}

impl Lake {
    /// Does what a statement asks for and returns one row about it. `read` was the newest version of
    /// the dataset as the statement began to read it.
    pub(super) async fn written(
        &self,
        write: Write,
        read: Option<Cid>,
        deadline: Deadline,
        hold: Hold,
    ) -> Result<Rows, Error> {
        let held = self.hold().await?;
        let written =
            self.blocking(move |inner| inner.written(write, read, deadline, hold)).await?;
        Ok(Rows::of(written.row()?, held))
    }
}

impl Inner {
    fn written(
        &self,
        write: Write,
        read: Option<Cid>,
        deadline: Deadline,
        hold: Hold,
    ) -> Result<Written, Error> {
        let name = parse_name(&write.name)?;
        let (stop, go_on) = (deadline.stop(), deadline.go_on());
        let read = read.filter(|_| write.reads_target).map(ExpectedHead::Version);
        match write.change {
            Change::Exists { if_not_exists: true } => Ok(left(&name, &self.newest(&name)?)),
            Change::Exists { if_not_exists: false } => Err(exists(&name)),
            Change::Create { or_replace, if_not_exists, rows } => {
                let rows = Rows::new(rows, Some(deadline), hold);
                match (self.newest_if_any(&name)?, or_replace) {
                    (Some(head), false) if if_not_exists => Ok(left(&name, &head)),
                    (Some(_), false) => Err(exists(&name)),
                    (_, true) => self.stored(&name, (StoreMode::Overwrite, read), rows, stop),
                    (None, false) => {
                        let expected = Some(ExpectedHead::None);
                        self.stored(&name, (StoreMode::Overwrite, expected), rows, stop)
                    }
                }
            }
            Change::Insert { rows } => {
                let rows = Rows::new(rows, Some(deadline), hold);
                self.stored(&name, (StoreMode::Append, read), rows, stop)
            }
            Change::Delete { predicate } => {
                let rows = Doomed::Predicate(predicate);
                let request = DeleteRequest { rows, dry_run: false, message: None };
                let go_on = || Ok(go_on()?);
                let deleted = self.delete(&name, &request, &go_on, &no_progress())?;
                // The hold is kept until here, as that of what reads is.
                drop(hold);
                let operation = if deleted.rows_deleted > 0 { "delete" } else { NOTHING };
                Ok(Written {
                    name: deleted.name,
                    operation: operation.to_owned(),
                    commit: deleted.commit,
                    cid: deleted.cid,
                    rows: deleted.rows,
                    rows_affected: deleted.rows_deleted,
                })
            }
        }
    }

    fn stored(
        &self,
        name: &Name,
        how: (StoreMode, Option<ExpectedHead>),
        rows: Rows,
        stop: Stop,
    ) -> Result<Written, Error> {
        let (stored, rows_affected) = self.kept_rows(name, how, rows, stop)?;
        let operation = match stored.unchanged {
            true => NOTHING.to_owned(),
            false => self.commit(&stored.commit)?.operation,
        };
        Ok(Written {
            name: name.to_string(),
            operation,
            commit: stored.commit,
            cid: stored.cid,
            rows: stored.rows,
            rows_affected,
        })
    }

    /// Stores rows as they arrive, and returns how many they were beside what became of them.
    pub(super) fn kept_rows(
        &self,
        name: &Name,
        (mode, expected): (StoreMode, Option<ExpectedHead>),
        rows: Rows,
        stop: Stop,
    ) -> Result<(Stored, u64), Error> {
        let onto = match mode {
            StoreMode::Append => Some(schema_from_bytes(&self.newest(name)?.commit.schema)?),
            _ => None,
        };
        let count = Arc::new(AtomicU64::new(0));
        let source = source(rows, onto, Arc::clone(&count));
        let request = StoreRequest {
            sources: vec![Source::Batches(source)],
            name: Some(name.to_string()),
            mode,
            expected,
            stop,
            ..StoreRequest::default()
        };
        let stored = self.store_table(request, &no_progress())?;
        Ok((stored, count.load(Ordering::Relaxed)))
    }
}

/// Says of a dataset that it was left as it is.
fn left(name: &Name, head: &Found) -> Written {
    Written {
        name: name.to_string(),
        operation: NOTHING.to_owned(),
        commit: head.cid,
        cid: head.commit.content,
        rows: head.commit.rows,
        rows_affected: 0,
    }
}

pub(super) fn exists(name: &Name) -> Error {
    Error::new(ErrorKind::Conflict, format!("a dataset named {name} exists already"))
        .with_hint("CREATE OR REPLACE TABLE makes a new version of it, IF NOT EXISTS leaves it")
}

/// Returns rows as a source that is read on a blocking thread of the runtime; in the types of `onto`,
/// whose columns they have in order, where they go behind others. Counts them as they pass.
fn source(mut rows: Rows, onto: Option<SchemaRef>, count: Arc<AtomicU64>) -> BatchSource {
    let runtime = Handle::current();
    let schema = onto.clone().unwrap_or_else(|| rows.schema());
    let batches = std::iter::from_fn(move || {
        let batch = runtime.block_on(rows.next()).transpose()?;
        let batch = batch.and_then(|batch| match &onto {
            Some(onto) => fitted(&batch, onto),
            None => Ok(batch),
        });
        if let Ok(batch) = &batch {
            count.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        }
        Some(
            batch.map_err(|error| ArrowError::ExternalError(Box::new(QueryError::external(error)))),
        )
    });
    let label = "the statement's rows".to_owned();
    BatchSource { label, schema, batches: Box::new(batches), rows_total: None }
}

/// Brings rows into the types of a table.
fn fitted(batch: &RecordBatch, onto: &SchemaRef) -> Result<RecordBatch, Error> {
    for (field, column) in onto.fields().iter().zip(batch.columns()) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Error::invalid(format!("column {:?} takes no nulls", field.name()))
                .with_hint("give it a value in every row"));
        }
    }
    Ok(restore(batch, onto)?)
}

impl Written {
    fn row(&self) -> Result<RecordBatch, Error> {
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let number = |number: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![number])) };
        let columns = [
            ("name", text(&self.name)),
            ("operation", text(&self.operation)),
            ("commit", text(&self.commit.to_string())),
            ("cid", text(&self.cid.to_string())),
            ("rows", number(self.rows)),
            ("rows_affected", number(self.rows_affected)),
        ];
        RecordBatch::try_from_iter(columns).map_err(|error| {
            Error::internal("what was written could not be put into a row").with_source(error)
        })
    }
}
