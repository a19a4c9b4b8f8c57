//! Tables of figures: the cache, what is counted, and the settings of this process.

use std::sync::Arc;

use cidlake_query::Resolved;
use cidlake_query::arrow::array::{ArrayRef, Float64Array};

use crate::check::{CacheStats, WalStatus};
use crate::error::Error;
use crate::index::{batch, numbers, texts};
use crate::lake::Lake;
use crate::settings::Settings;

/// One row for each cache of this process.
pub(super) async fn cache(lake: &Lake) -> Result<Resolved, Error> {
    let CacheStats { hits, misses, entries, bytes, bytes_max, hit_rate, footer_entries } =
        lake.cache_stats().await?;
    let rates: ArrayRef = Arc::new(Float64Array::from(vec![hit_rate, None]));
    Ok(Resolved::Rows(batch(vec![
        ("cache", texts(["blocks", "footers"].into_iter().map(Some))),
        ("entries", numbers([Some(entries), Some(footer_entries)].into_iter())),
        ("bytes", numbers([Some(bytes), None].into_iter())),
        ("bytes_max", numbers([Some(bytes_max), None].into_iter())),
        ("hits", numbers([Some(hits), None].into_iter())),
        ("misses", numbers([Some(misses), None].into_iter())),
        ("hit_rate", rates),
    ])?))
}

/// What is counted, a row for each.
pub(super) async fn metrics(lake: &Lake) -> Result<Resolved, Error> {
    let (wal, health) = (lake.wal_status().await?, lake.health().await?);
    let cache = lake.cache_stats().await?;
    let WalStatus { queue, .. } = wal;
    let figures: Vec<(&str, &str, Option<u64>)> = vec![
        ("datasets", "count", Some(health.datasets)),
        ("conflicts", "count", Some(health.conflicts)),
        ("blocks", "count", Some(health.blocks)),
        ("block_bytes", "bytes", Some(health.bytes)),
        ("packs", "count", Some(health.packs)),
        ("pins", "count", Some(wal.pins)),
        ("log_segments", "count", Some(wal.segments)),
        ("log_bytes", "bytes", Some(wal.bytes)),
        ("log_records", "count", Some(wal.records)),
        ("log_records_behind_checkpoint", "count", Some(wal.records_behind)),
        ("log_copies", "count", Some(wal.sealed)),
        ("log_segments_without_copy", "count", Some(wal.unsealed)),
        ("cache_hits", "count", Some(cache.hits)),
        ("cache_misses", "count", Some(cache.misses)),
        ("cache_bytes", "bytes", Some(cache.bytes)),
        ("operations_queued_total", "count", Some(queue.queued_total)),
        ("operations_pending", "count", Some(queue.pending)),
        ("operations_processing", "count", Some(queue.processing)),
        ("operations_completed", "count", Some(queue.completed)),
        ("operations_failed", "count", Some(queue.failed)),
        ("operations_retrying", "count", Some(queue.retrying)),
        ("operations_dead", "count", Some(queue.dead)),
        ("operations_abandoned", "count", Some(queue.abandoned)),
        ("operations_lag", "ms", queue.lag_ms),
    ];
    Ok(Resolved::Rows(batch(vec![
        ("name", texts(figures.iter().map(|(name, ..)| Some(*name)))),
        ("value", numbers(figures.iter().map(|(.., value)| *value))),
        ("unit", texts(figures.iter().map(|(_, unit, _)| Some(*unit)))),
    ])?))
}

/// What this process was told, or takes where nothing was said; no secret is among it.
pub(super) fn settings(lake: &Lake) -> Result<Resolved, Error> {
    let Settings {
        path,
        key_file,
        memory_bytes_max,
        cache_bytes_max,
        query_timeout_ms,
        limits,
        threads,
        schedule,
        wal_keep_days,
        state: _,
    } = &lake.inner.settings;
    let number = |value: u64| Some(value.to_string());
    let rows: Vec<(&str, Option<String>)> = vec![
        ("lake", Some(path.display().to_string())),
        ("key_file", Some(key_file.display().to_string())),
        ("memory_bytes_max", number(*memory_bytes_max as u64)),
        ("cache_bytes_max", number(*cache_bytes_max)),
        ("query_timeout_ms", number(*query_timeout_ms)),
        ("query_rows_max", limits.rows_max.and_then(number)),
        ("query_bytes_max", limits.bytes_max.and_then(number)),
        ("query_read_bytes_max", limits.read_bytes_max.and_then(number)),
        ("threads", number(*threads as u64)),
        ("verify_every_seconds", number(schedule.verify_seconds)),
        ("compact_every_seconds", number(schedule.compact_seconds)),
        ("gc_every_seconds", number(schedule.gc_seconds)),
        ("seal_every_seconds", number(schedule.seal_seconds)),
        ("wal_keep_days", wal_keep_days.and_then(number)),
    ];
    Ok(Resolved::Rows(batch(vec![
        ("name", texts(rows.iter().map(|(name, _)| Some(*name)))),
        ("value", texts(rows.iter().map(|(_, value)| value.as_deref()))),
    ])?))
}
