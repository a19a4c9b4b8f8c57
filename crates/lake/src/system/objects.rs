//! Tables of objects: datasets, versions, parts and columns out of the index; pins, operations and
//! blocks out of where they are.

use std::sync::Arc;

use cidlake_query::arrow::array::{ArrayRef, BooleanArray, TimestampMillisecondArray};
use cidlake_query::arrow::compute::filter_record_batch;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{QueryError, Resolved};
use cidlake_store::{OperationFilter, OperationId};

use super::chunks;
use crate::error::Error;
use crate::index::{Table, batch, maps, numbers, texts};
use crate::lake::{Inner, Lake};
use crate::operations::OperationInfo;

/// Rows that are made at a time.
const ROWS_AT_ONCE: usize = 16 << 10;

pub(super) async fn indexed(lake: &Lake, table: Table) -> Result<Resolved, Error> {
    let batches = lake.blocking(move |inner| Ok(inner.indexed()?.batches(table))).await?;
    Ok(Resolved::Batches { schema: table.schema(), batches })
}

/// The newest version of every dataset.
pub(super) async fn datasets(lake: &Lake) -> Result<Resolved, Error> {
    let batches = lake
        .blocking(|inner| {
            let commits = inner.indexed()?.batches(Table::Commits);
            commits.iter().map(newest).collect::<Result<Vec<_>, Error>>()
        })
        .await?;
    let schema = newest(&RecordBatch::new_empty(Table::Commits.schema()))?.schema();
    Ok(Resolved::Batches { schema, batches })
}

fn newest(commits: &RecordBatch) -> Result<RecordBatch, Error> {
    const COLUMNS: [(&str, &str); 17] = [
        ("name", "dataset"),
        ("cid", "cid"),
        ("commit", "commit"),
        ("rows", "rows"),
        ("bytes", "bytes"),
        ("columns", "columns"),
        ("parts", "parts"),
        ("updated", "time"),
        ("operation", "operation"),
        ("author", "author"),
        ("message", "message"),
        ("tags", "tags"),
        ("column_names", "column_names"),
        ("key_columns", "key_columns"),
        ("partition_columns", "partition_columns"),
        ("metadata", "metadata"),
        ("logical_hash", "logical_hash"),
    ];
    let is_newest = commits["newest"].as_any().downcast_ref::<BooleanArray>();
    let Some(is_newest) = is_newest else {
        return Err(Error::internal("the index does not say which versions are the newest"));
    };
    let newest = filter_record_batch(commits, is_newest).map_err(QueryError::internal)?;
    let columns = COLUMNS.map(|(name, of)| (name, Arc::clone(&newest[of])));
    Ok(batch(columns.into())?)
}

pub(super) async fn pins(lake: &Lake) -> Result<Resolved, Error> {
    let pins = lake.pins().await?;
    let cids: Vec<String> = pins.iter().map(|pin| pin.cid.to_string()).collect();
    let kinds = pins.iter().map(|pin| match pin.kind {
        crate::ShownKind::Table => "table",
        crate::ShownKind::File => "file",
        crate::ShownKind::Directory => "directory",
        crate::ShownKind::Block => "block",
    });
    Ok(Resolved::Rows(batch(vec![
        ("cid", texts(cids.iter().map(|cid| Some(cid.as_str())))),
        ("name", texts(pins.iter().map(|pin| pin.name.as_deref()))),
        ("kind", texts(kinds.map(Some))),
        ("rows", numbers(pins.iter().map(|pin| pin.rows))),
        ("bytes", numbers(pins.iter().map(|pin| pin.bytes))),
    ])?))
}

/// Every block of every pack; one that is in several is there as often.
pub(super) fn blocks(lake: &Lake) -> Resolved {
    let schema = blocks_batch("", &[]).unwrap_or_else(|error| unreachable!("no rows: {error}"));
    let inner = Arc::clone(&lake.inner);
    chunks::table(schema.schema(), move || {
        let hold = inner.hold()?;
        let mut packs = inner.store.packs()?.into_iter();
        let mut rest = Vec::new().into_iter();
        let (mut pack, inner) = (String::new(), Arc::clone(&inner));
        Ok(Box::new(move || {
            // What is retired meanwhile stays as long as this.
            let _kept = &hold;
            loop {
                let chunk: Vec<_> = rest.by_ref().take(ROWS_AT_ONCE).collect();
                if !chunk.is_empty() {
                    return Ok(Some(blocks_batch(&pack, &chunk)?));
                }
                let Some(next) = packs.next() else { return Ok(None) };
                rest = inner.store.blocks_of(&next)?.into_iter();
                pack = next.file_name();
            }
        }))
    })
}

fn blocks_batch(
    pack: &str,
    blocks: &[(cidlake_block::Cid, u64, u64)],
) -> Result<RecordBatch, QueryError> {
    let cids: Vec<String> = blocks.iter().map(|(cid, ..)| cid.to_string()).collect();
    batch(vec![
        ("cid", texts(cids.iter().map(|cid| Some(cid.as_str())))),
        ("pack", texts(blocks.iter().map(|_| Some(pack)))),
        ("offset", numbers(blocks.iter().map(|(_, offset, _)| Some(*offset)))),
        ("bytes", numbers(blocks.iter().map(|(.., bytes)| Some(*bytes)))),
    ])
}

/// Every operation that is known.
pub(super) fn operations(lake: &Lake) -> Resolved {
    let schema = operations_batch(&[]).unwrap_or_else(|error| unreachable!("no rows: {error}"));
    let inner = Arc::clone(&lake.inner);
    chunks::table(schema.schema(), move || {
        let mut after = None;
        let inner = Arc::clone(&inner);
        Ok(Box::new(move || next_operations(&inner, &mut after)))
    })
}

fn next_operations(
    inner: &Inner,
    after: &mut Option<OperationId>,
) -> Result<Option<RecordBatch>, Error> {
    let filter =
        OperationFilter { after: *after, limit: ROWS_AT_ONCE, ..OperationFilter::default() };
    let found = inner.store.operations(&filter)?;
    let Some(last) = found.last() else { return Ok(None) };
    *after = Some(last.id);
    let infos: Vec<OperationInfo> = found.iter().map(OperationInfo::of).collect();
    Ok(Some(operations_batch(&infos)?))
}

fn operations_batch(infos: &[OperationInfo]) -> Result<RecordBatch, QueryError> {
    let text = |pick: fn(&OperationInfo) -> Option<&str>| texts(infos.iter().map(pick));
    let moment = |pick: fn(&OperationInfo) -> Option<u64>| moments(infos.iter().map(pick));
    let params: Vec<Vec<(String, String)>> = infos.iter().map(params_as_texts).collect();
    let cids: Vec<Option<String>> =
        infos.iter().map(|info| info.result_cid.map(|cid| cid.to_string())).collect();
    batch(vec![
        ("operation_id", text(|info| Some(&info.id))),
        ("operation_type", text(|info| Some(&info.kind))),
        ("status", text(|info| Some(info.status))),
        ("key", text(|info| info.key.as_deref())),
        ("parameters", maps(params.iter().map(Vec::as_slice))?),
        ("timestamp", moment(|info| Some(info.queued_ms))),
        ("updated_at", moment(|info| Some(info.updated_ms))),
        ("completed_at", moment(|info| info.completed_ms)),
        ("next_retry_at", moment(|info| info.due_ms)),
        ("attempts", numbers(infos.iter().map(|info| Some(u64::from(info.attempts))))),
        ("attempts_max", numbers(infos.iter().map(|info| Some(u64::from(info.attempts_max))))),
        ("worker", text(|info| info.worker.as_deref())),
        ("lease_until", moment(|info| info.lease_until_ms)),
        ("error", text(|info| info.error.as_deref())),
        ("error_type", text(|info| info.error_kind.as_deref())),
        ("result_cid", texts(cids.iter().map(Option::as_deref))),
        ("result_bytes", numbers(infos.iter().map(|info| info.result_bytes))),
        ("result", text(|info| info.result.as_deref())),
    ])
}

/// Returns parameters as texts that still say of what type each is: as JSON.
fn params_as_texts(info: &OperationInfo) -> Vec<(String, String)> {
    info.params.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
}

/// Makes a column of moments.
pub(super) fn moments(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    let moments: TimestampMillisecondArray =
        values.map(|ms| ms.and_then(|ms| i64::try_from(ms).ok())).collect();
    Arc::new(moments.with_timezone_utc())
}
