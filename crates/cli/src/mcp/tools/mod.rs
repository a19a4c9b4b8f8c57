//! The tools: what each is called, what it takes and gives, and who runs it.
//!
//! A tool is found by its exact name. Tools that write exist only where the server may write;
//! elsewhere they are not listed, and calling one says why. Each tool is one thing that the lake
//! does.

mod ipfs;
mod parquet;
mod schema;
mod system;
mod vfs;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use cidlake::{Error, ErrorKind};
use rmcp::model::{self, JsonObject, ToolAnnotations};
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::caps::{ENTRIES_DEFAULT, ROWS_MAX, TEXT_BYTES_DEFAULT, TEXT_BYTES_MAX};
use super::server::Context;

/// A tool of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    IpfsAdd,
    IpfsCat,
    IpfsLs,
    ParquetStoreDataframe,
    ParquetRetrieveDataframe,
    ParquetQueryDatasets,
    ParquetListDatasets,
    VfsLs,
    VfsCat,
    VfsInfo,
    SystemHealth,
    CacheStats,
    WalStatus,
}

/// What a client is told of a tool.
struct Spec {
    title: &'static str,
    description: &'static str,
    input: JsonObject,
    output: JsonObject,
}

impl Tool {
    /// Every tool, in the order in which they are listed.
    const ALL: [Self; 13] = [
        Self::IpfsAdd,
        Self::IpfsCat,
        Self::IpfsLs,
        Self::ParquetStoreDataframe,
        Self::ParquetRetrieveDataframe,
        Self::ParquetQueryDatasets,
        Self::ParquetListDatasets,
        Self::VfsLs,
        Self::VfsCat,
        Self::VfsInfo,
        Self::SystemHealth,
        Self::CacheStats,
        Self::WalStatus,
    ];

    /// Returns the name that clients call it by.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::IpfsAdd => "ipfs_add",
            Self::IpfsCat => "ipfs_cat",
            Self::IpfsLs => "ipfs_ls",
            Self::ParquetStoreDataframe => "parquet_store_dataframe",
            Self::ParquetRetrieveDataframe => "parquet_retrieve_dataframe",
            Self::ParquetQueryDatasets => "parquet_query_datasets",
            Self::ParquetListDatasets => "parquet_list_datasets",
            Self::VfsLs => "vfs_ls",
            Self::VfsCat => "vfs_cat",
            Self::VfsInfo => "vfs_info",
            Self::SystemHealth => "system_health",
            Self::CacheStats => "cache_stats",
            Self::WalStatus => "wal_status",
        }
    }

    /// Finds the tool of exactly this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    fn writes(self) -> bool {
        matches!(self, Self::IpfsAdd | Self::ParquetStoreDataframe)
    }

    fn spec(self) -> Spec {
        match self {
            Self::IpfsAdd => ipfs::add_spec(),
            Self::IpfsCat => ipfs::cat_spec(),
            Self::IpfsLs => ipfs::ls_spec(),
            Self::ParquetStoreDataframe => parquet::store_spec(),
            Self::ParquetRetrieveDataframe => parquet::retrieve_spec(),
            Self::ParquetQueryDatasets => parquet::query_spec(),
            Self::ParquetListDatasets => parquet::list_spec(),
            Self::VfsLs => vfs::ls_spec(),
            Self::VfsCat => vfs::cat_spec(),
            Self::VfsInfo => vfs::info_spec(),
            Self::SystemHealth => system::health_spec(),
            Self::CacheStats => system::cache_spec(),
            Self::WalStatus => system::wal_spec(),
        }
    }

    /// Says whether a call may write where the server may.
    fn may_write(self) -> bool {
        self.writes() || self == Self::ParquetQueryDatasets
    }

    fn describe(self, allow_write: bool) -> model::Tool {
        let Spec { title, description, input, output } = self.spec();
        let asks = self == Self::ParquetQueryDatasets;
        // Writing adds and never destroys; writing the same again changes nothing, except that
        // an append appends, and a statement may. Nothing here reaches beyond this machine.
        let annotations = ToolAnnotations::with_title(title)
            .read_only(!(allow_write && self.may_write()))
            .destructive(false)
            .idempotent(self != Self::ParquetStoreDataframe && !(allow_write && asks))
            .open_world(false);
        model::Tool::new(self.name(), description, Arc::new(input))
            .with_title(title)
            .with_raw_output_schema(Arc::new(output))
            .with_annotations(annotations)
    }
}

/// Returns the tools that a client may call.
pub(super) fn offered(allow_write: bool) -> Vec<model::Tool> {
    let tools = Tool::ALL.into_iter().filter(|tool| allow_write || !tool.writes());
    tools.map(|tool| tool.describe(allow_write)).collect()
}

/// Runs a tool.
///
/// # Errors
/// `Usage` for arguments that are wrong, `Unavailable` for a tool that writes where the server
/// may not, and what the lake says.
pub(super) async fn call(
    context: &Context,
    tool: Tool,
    values: Option<JsonObject>,
) -> Result<Value, Error> {
    if tool.writes() && !context.allow_write {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!("{} writes, and this server only reads", tool.name()),
        )
        .with_hint("start it with `cidlake mcp --allow-write`"));
    }
    let spec = tool.spec();
    let known = spec.input.get("properties").and_then(Value::as_object);
    let known: Vec<&str> =
        known.into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
    let arguments = Arguments::new(tool.name(), values, &known)?;
    match tool {
        Tool::IpfsAdd => ipfs::add(context, arguments).await,
        Tool::IpfsCat => ipfs::cat(context, arguments).await,
        Tool::IpfsLs => ipfs::ls(context, arguments).await,
        Tool::ParquetStoreDataframe => parquet::store(context, arguments).await,
        Tool::ParquetRetrieveDataframe => parquet::retrieve(context, arguments).await,
        Tool::ParquetQueryDatasets => parquet::query(context, arguments).await,
        Tool::ParquetListDatasets => parquet::list(context, arguments).await,
        Tool::VfsLs => vfs::ls(context, arguments).await,
        Tool::VfsCat => vfs::cat(context, arguments).await,
        Tool::VfsInfo => vfs::info(context, arguments).await,
        Tool::SystemHealth => system::health(context).await,
        Tool::CacheStats => system::cache(context).await,
        Tool::WalStatus => system::wal(context).await,
    }
}

/// The entries of a list that a caller wants.
#[derive(Clone, Copy, Debug)]
struct ListWindow {
    offset: usize,
    limit: usize,
}

impl ListWindow {
    fn take(arguments: &mut Arguments) -> Result<Self, Error> {
        let limit = arguments.number("limit", 1..=ROWS_MAX)?.unwrap_or(ENTRIES_DEFAULT);
        let offset = arguments.number("offset", 0..=u64::MAX)?.unwrap_or(0);
        let whole = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self { offset: whole(offset), limit: whole(limit) })
    }

    /// Returns the wanted of all entries.
    fn of<T>(self, all: &[T]) -> &[T] {
        let from = self.offset.min(all.len());
        &all[from..all.len().min(from.saturating_add(self.limit))]
    }

    /// Returns an answer that has `entries`, taken from a list of `total`, under `name`.
    fn answer(self, name: &str, entries: Vec<Value>, total: usize) -> Value {
        let next = self.offset.saturating_add(entries.len());
        let mut answer = json!({
            "success": true,
            "count": entries.len(),
            "total": total,
            "truncated": next < total,
        });
        answer[name] = Value::Array(entries);
        if next < total {
            answer["next_offset"] = next.into();
        }
        answer
    }
}

/// The bytes of a file that a caller wants.
#[derive(Clone, Copy, Debug)]
struct FileWindow {
    offset: u64,
    length: u64,
}

impl FileWindow {
    fn take(arguments: &mut Arguments) -> Result<Self, Error> {
        let length = arguments.number("length", 1..=TEXT_BYTES_MAX)?;
        Ok(Self {
            offset: arguments.number("offset", 0..=u64::MAX)?.unwrap_or(0),
            length: length.unwrap_or(TEXT_BYTES_DEFAULT),
        })
    }

    /// Returns the wanted bytes of a file of `size`.
    fn of(self, size: u64) -> std::ops::Range<u64> {
        let from = self.offset.min(size);
        from..size.min(from.saturating_add(self.length))
    }
}
