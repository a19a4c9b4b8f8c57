//! A schema as bytes: the encapsulated Arrow IPC schema message, as it opens an IPC stream.
//!
//! ```text
//! FF FF FF FF | length: i32 LE | Message flatbuffer, zero-padded so that the whole is a multiple of 8
//! ```
//! The same schema always gives the same bytes: metadata is written in the order of its keys and
//! dictionaries are numbered in the order of fields.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::try_schema_from_flatbuffer_bytes;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use bytes::Bytes;

use crate::error::{QueryError, arrow_message};
use crate::resolve::near;

/// What precedes every message of the current IPC format.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Messages are padded to this many bytes.
const ALIGNMENT: usize = 8;
/// Longer ones are not read: thousands of columns with metadata stay far below it.
const SCHEMA_BYTES_MAX: usize = 64 << 20;

/// Returns where the column of a name stands.
///
/// # Errors
/// `UnknownColumn`, with the names that are like it.
pub(crate) fn column_index(schema: &Schema, name: &str) -> Result<usize, QueryError> {
    schema.column_with_name(name).map(|(index, _)| index).ok_or_else(|| {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        QueryError::UnknownColumn { name: name.to_owned(), near: near(name, &names) }
    })
}

/// Returns `schema` as an encapsulated Arrow IPC message.
pub fn schema_to_bytes(schema: &Schema) -> Bytes {
    let mut tracker = DictionaryTracker::new(false);
    let message = IpcDataGenerator::default()
        .schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &IpcWriteOptions::default())
        .ipc_message;
    let prefix = CONTINUATION.len() + size_of::<i32>();
    let total = (prefix + message.len()).next_multiple_of(ALIGNMENT);
    // A flatbuffer is below 2 GiB by construction.
    let length = u32::try_from(total - prefix).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&CONTINUATION);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&message);
    out.resize(total, 0);
    Bytes::from(out)
}

/// Reads what [`schema_to_bytes`] wrote; the bytes are foreign and may be anything.
pub fn schema_from_bytes(bytes: &[u8]) -> Result<SchemaRef, QueryError> {
    let bad = |what: &dyn std::fmt::Display| QueryError::bad_input("the schema", "", what);
    if bytes.len() > SCHEMA_BYTES_MAX {
        return Err(bad(&"it is too long"));
    }
    let rest = bytes
        .strip_prefix(&CONTINUATION)
        .ok_or_else(|| bad(&"it does not open as an Arrow IPC message"))?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(|| bad(&"it is cut short"))?;
    let message = usize::try_from(u32::from_le_bytes(*length))
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or_else(|| bad(&"it is cut short"))?;
    // The flatbuffer is verified first; what is left to fail are types that the decoder does not
    // know, and it panics on those.
    let decoded = catch_unwind(AssertUnwindSafe(|| try_schema_from_flatbuffer_bytes(message)));
    match decoded {
        Ok(Ok(schema)) => Ok(Arc::new(schema)),
        Ok(Err(error)) => Err(bad(&arrow_message(&error))),
        Err(_) => Err(bad(&"it holds a type that is not known")),
    }
}
