//! The tools that say how the server is: health, cache, log. Every figure is read from the thing
//! that it is about, and what does not exist here is said not to.

use cidlake::{Error, Health, Lake, QueueStats, SqlOptions};
use serde_json::{Value, json};

use super::Spec;
use super::schema::{self, input, output};
use crate::mcp::server::Context;

pub(super) fn health_spec() -> Spec {
    Spec {
        title: "Health",
        description: "Say whether the lake and every part of the server work, tried now, with \
                      figures and whatever is wrong.",
        input: input(Vec::new(), &[]),
        output: output(vec![(
            "health",
            schema::any_object("Whether each component works; ok, problems, notes, queue, figures"),
        )]),
    }
}

pub(super) async fn health(context: &Context) -> Result<Value, Error> {
    let health = context.lake.health().await?;
    let mut answer = components(&context.lake, &health).await;
    answer["writes_allowed"] = context.allow_write.into();
    if let (Some(answer), Value::Object(figures)) = (answer.as_object_mut(), figures(&health)) {
        answer.extend(figures);
    }
    Ok(json!({"success": true, "health": answer}))
}

/// Tries every component that clients ask about.
async fn components(lake: &Lake, health: &Health) -> Value {
    let blocks = health.problems.is_empty();
    let arrow = answers_sql(lake, "SELECT 1").await;
    let cache = lake.cache_stats().await;
    let wal = lake.wal_status().await;
    let index = answers_sql(lake, "SELECT count(*) FROM system.commits").await;
    json!({
        "server_initialized": true,
        "ipfs_kit_available": blocks,
        "parquet_bridge_available": blocks && arrow,
        "parquet_vfs_available": lake.vfs_ls("/datasets").await.is_ok(),
        "cache_manager_available": cache.is_ok_and(|cache| cache.bytes_max > 0),
        "wal_manager_available": wal.is_ok(),
        "replication_manager_available": false,
        "metadata_index_available": index,
        "arrow_available": arrow,
        "fsspec_available": false,
        "ipfs_daemon": {"running": false},
        "queue": wal.map(|status| queue(&status.queue)).unwrap_or_default(),
        "notes": {
            "ipfs_kit_available": "ipfs_add, ipfs_cat and ipfs_ls work on the blocks of this lake",
            "replication_manager_available": "the lake is on this machine and not replicated",
            "fsspec_available": "fsspec is Python; this server is one program without it",
            "ipfs_daemon": "none is used, and none is looked for",
        },
    })
}

/// How many operations there are, by how far they have come.
fn queue(queue: &QueueStats) -> Value {
    json!({
        "pending": queue.pending,
        "processing": queue.processing,
        "completed": queue.completed,
        "failed": queue.failed,
        "retrying": queue.retrying,
        "dead": queue.dead,
    })
}

fn figures(health: &Health) -> Value {
    json!({
        "ok": health.ok,
        "problems": health.problems,
        "version": health.version,
        "lake": health.lake.display().to_string(),
        "format_version": health.format_version,
        "writable": health.writable,
        "datasets": health.datasets,
        "conflicts": health.conflicts,
        "blocks": health.blocks,
        "bytes": health.bytes,
        "packs": health.packs,
        "catalog_heads": health.catalog_heads,
        "log_last_lsn": health.log_last_lsn,
        "memory_bytes_max": health.memory_bytes_max,
    })
}

/// Whether a query runs to its end.
async fn answers_sql(lake: &Lake, sql: &str) -> bool {
    match lake.sql(sql, SqlOptions::default()).await {
        Ok(rows) => rows.collect().await.is_ok(),
        Err(_) => false,
    }
}

pub(super) fn cache_spec() -> Spec {
    Spec {
        title: "Cache",
        description: "Say what the cache of verified blocks holds and how often it helped, since \
                      this server started.",
        input: input(Vec::new(), &[]),
        output: output(vec![(
            "stats",
            schema::any_object("hits, misses, hit_rate, entries, bytes, bytes_max, footer_entries"),
        )]),
    }
}

pub(super) async fn cache(context: &Context) -> Result<Value, Error> {
    let stats = context.lake.cache_stats().await?;
    Ok(json!({
        "success": true,
        "stats": {
            "hits": stats.hits,
            "misses": stats.misses,
            "hit_rate": stats.hit_rate,
            "entries": stats.entries,
            "bytes": stats.bytes,
            "bytes_max": stats.bytes_max,
            "footer_entries": stats.footer_entries,
        },
    }))
}

pub(super) fn wal_spec() -> Spec {
    Spec {
        title: "Log",
        description: "Say what the write-ahead log holds, and how far the operations queued in it \
                      have come. total_operations were ever queued; processing_active says \
                      whether somebody is at one now. As tables: system.wal, system.operations.",
        input: input(Vec::new(), &[]),
        output: output(vec![(
            "status",
            schema::any_object(
                "Of the log operations_logged (its records), segments, bytes, last_lsn, deltas, \
                 pins, partitions (segments), archives (copies of closed segments), unsealed, \
                 checkpoint_lsn, records_behind, dirty; of the queue total_operations, pending, \
                 processing, completed, failed, retrying, dead, processing_active, abandoned, \
                 lag_ms",
            ),
        )]),
    }
}

pub(super) async fn wal(context: &Context) -> Result<Value, Error> {
    let status = context.lake.wal_status().await?;
    let mut answer = json!({
        "operations_logged": status.records,
        "segments": status.segments,
        "bytes": status.bytes,
        "last_lsn": status.last_lsn,
        "deltas": status.deltas,
        "pins": status.pins,
        "partitions": status.segments,
        "archives": status.sealed,
        "unsealed": status.unsealed,
        "checkpoint_lsn": status.checkpoint_lsn,
        "records_behind": status.records_behind,
        "dirty": status.dirty,
        "total_operations": status.queue.queued_total,
        "processing_active": status.queue.processing > status.queue.abandoned,
        "abandoned": status.queue.abandoned,
        "lag_ms": status.queue.lag_ms,
    });
    if let (Some(answer), Value::Object(counts)) = (answer.as_object_mut(), queue(&status.queue)) {
        answer.extend(counts);
    }
    Ok(json!({"success": true, "status": answer}))
}
