//! What goes over the wire: the lake's plain values as the JSON that clients know.
//!
//! Field names are a contract with existing clients. Nothing here asks the lake for anything.

use std::error::Error as _;

use chrono::{DateTime, SecondsFormat};
use cidlake::arrow::datatypes::Schema;
use cidlake::{
    Cid, DatasetInfo, Error, ErrorKind, FileKind, LsEntry, Shown, Stored, VfsEntry, VfsKind,
};
use rmcp::model::{CallToolResult, ErrorData};
use serde_json::{Map, Value, json};

use super::caps::Piece;

/// Returns a call's outcome as its result: the whole answer as a value, and the same as text.
pub(super) fn tool_result(outcome: Result<Value, Error>) -> CallToolResult {
    match outcome {
        Ok(answer) => CallToolResult::structured(answer),
        Err(error) => CallToolResult::structured_error(failure(&error)),
    }
}

/// Returns an error as a value: what failed, a stable word for its kind, what to do.
pub(super) fn failure(error: &Error) -> Value {
    let mut value = json!({
        "success": false,
        "error": with_causes(error),
        "error_type": error.kind().word(),
    });
    if let (Some(hint), Some(object)) = (error.hint(), value.as_object_mut()) {
        object.insert("hint".to_owned(), hint.into());
    }
    value
}

/// Returns an error of a request that is no tool call.
pub(super) fn error_data(error: &Error) -> ErrorData {
    let message = match error.hint() {
        Some(hint) => format!("{} ({hint})", with_causes(error)),
        None => with_causes(error),
    };
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Usage => {
            ErrorData::invalid_params(message, Some(failure(error)))
        }
        _ => ErrorData::internal_error(message, Some(failure(error))),
    }
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Returns the path under which the tree of files has a dataset's content.
pub(super) fn storage_path(cid: &Cid) -> String {
    format!("/datasets/{cid}")
}

/// Returns where clients find what was shown: in the tree of files, or by its CID alone when it is
/// no version of a dataset.
pub(super) fn path_of(shown: &Shown) -> String {
    match shown.commit {
        Some(_) => storage_path(&shown.cid),
        None => format!("/ipfs/{}", shown.cid),
    }
}

/// Returns the columns of an answer in their order, with their Arrow types.
pub(super) fn columns(schema: &Schema) -> Value {
    let columns = schema.fields().iter().map(|field| {
        json!({
            "name": field.name(),
            "type": field.data_type().to_string(),
            "nullable": field.is_nullable(),
        })
    });
    columns.collect()
}

/// Returns what was stored.
pub(super) fn stored(stored: &Stored, shown: &Shown) -> Value {
    json!({
        "success": true,
        "cid": stored.cid.to_string(),
        "commit": stored.commit.to_string(),
        "name": stored.name,
        "storage_path": storage_path(&stored.cid),
        "size_bytes": stored.bytes,
        "is_partitioned": is_partitioned(shown),
        "metadata": metadata(shown, stored.name.as_deref()),
        "num_rows": stored.rows,
        "num_columns": stored.columns,
        "parts": stored.parts,
        "new_bytes": stored.new_bytes,
        "unchanged": stored.unchanged,
    })
}

/// Returns everything that is known of a table, under the names that clients look for; the words
/// of whoever stored it are in `original_metadata`.
pub(super) fn metadata(shown: &Shown, name: Option<&str>) -> Value {
    let names: Vec<&str> = shown.columns.iter().map(|column| column.name.as_str()).collect();
    let types: Vec<&str> = shown.columns.iter().map(|column| column.kind.as_str()).collect();
    json!({
        "cid": shown.cid.to_string(),
        "commit": shown.commit.map(|commit| commit.to_string()),
        "name": name.or(shown.name.as_deref()),
        "original_metadata": shown.metadata,
        "num_rows": shown.rows,
        "num_columns": names.len(),
        "column_names": names,
        "column_types": types,
        "size_bytes": shown.bytes,
        "is_partitioned": is_partitioned(shown),
        "partition_cols": shown.partition_columns,
        "storage_path": path_of(shown),
        "parts": shown.parts_total,
        "profile": shown.profile,
        "operation": shown.operation,
        "created_at": shown.time_ms.and_then(rfc3339),
    })
}

/// Says whether the parts of a table lie in folders named by values.
pub(super) fn is_partitioned(shown: &Shown) -> bool {
    !shown.partition_columns.is_empty()
}

/// Returns one line of the list of datasets.
pub(super) fn dataset(info: &DatasetInfo) -> Value {
    json!({
        "cid": info.cid.to_string(),
        "commit": info.commit.to_string(),
        "name": info.name,
        "size_bytes": info.bytes,
        "num_rows": info.rows,
        "num_columns": info.columns,
        "is_partitioned": !info.partition_columns.is_empty(),
        "created_at": rfc3339(info.updated_ms),
        "operation": info.operation,
        "metadata": info.metadata,
        "conflicts": info.conflicts,
    })
}

/// Returns a dataset with what is known of its columns, for whoever wants to query it.
pub(super) fn described(shown: &Shown) -> Value {
    let columns = shown.columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": column.kind,
            "nulls": column.nulls,
            "min": column.min,
            "max": column.max,
        })
    });
    json!({
        "name": shown.name,
        "cid": shown.cid.to_string(),
        "commit": shown.commit.map(|commit| commit.to_string()),
        "rows": shown.rows,
        "size_bytes": shown.bytes,
        "columns": columns.collect::<Value>(),
        "metadata": shown.metadata,
        "updated_at": shown.time_ms.and_then(rfc3339),
    })
}

/// Returns one entry of a UnixFS folder.
pub(super) fn ls_entry(entry: &LsEntry) -> Value {
    let kind = match entry.kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
    };
    json!({
        "name": entry.name,
        "cid": entry.cid.to_string(),
        "size": entry.size,
        "type": kind,
    })
}

/// Returns one entry of the tree of files.
pub(super) fn vfs_entry(entry: &VfsEntry) -> Value {
    let kind = match entry.kind {
        VfsKind::Directory => "directory",
        VfsKind::File => "file",
    };
    let mut value = Map::new();
    value.insert("name".to_owned(), entry.name.clone().into());
    value.insert("path".to_owned(), entry.path.clone().into());
    value.insert("type".to_owned(), kind.into());
    value.insert("size".to_owned(), entry.size.into());
    if let Some(cid) = &entry.cid {
        value.insert("cid".to_owned(), cid.to_string().into());
    }
    if let Some(info) = &entry.dataset {
        let metadata = json!({
            "name": info.name,
            "commit": info.commit.to_string(),
            "num_rows": info.rows,
            "num_columns": info.columns,
            "original_metadata": info.metadata,
            "created_at": rfc3339(info.updated_ms),
        });
        value.insert("metadata".to_owned(), metadata);
    }
    Value::Object(value)
}

/// Returns a piece of a file of `size` bytes that begins at `offset`, and where to go on.
pub(super) fn file_piece(piece: Piece, offset: u64, size: u64) -> Value {
    let next = offset.saturating_add(piece.bytes);
    let mut answer = json!({
        "success": true,
        "content": piece.content,
        "encoding": piece.encoding,
        "size": size,
        "offset": offset,
        "truncated": next < size,
    });
    if next < size {
        answer["next_offset"] = next.into();
    }
    answer
}

/// Writes a moment, given in milliseconds since the Unix epoch, as RFC 3339 in UTC; nothing for
/// one that no calendar holds.
fn rfc3339(unix_ms: u64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(i64::try_from(unix_ms).ok()?)?;
    Some(moment.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use cidlake::{Error, ErrorKind};
    use serde_json::json;

    use super::{failure, rfc3339};

    #[test]
    fn moments_read_as_the_calendar_has_them() {
        assert_eq!(rfc3339(951_868_799_999).unwrap(), "2000-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(1_798_761_600_000).unwrap(), "2027-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(u64::MAX), None);
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = Error::new(ErrorKind::NotFound, "cannot read x")
            .with_hint("look elsewhere")
            .with_source(cause);
        assert_eq!(
            failure(&error),
            json!({
                "success": false,
                "error": "cannot read x: entity not found",
                "error_type": "not_found",
                "hint": "look elsewhere",
            })
        );
    }
}
