//! Encodes a flat column of integers, text or bytes: the column chunk that it becomes, with its
//! indexes, as if it stood at the beginning of a file.
//!
//! These are the columns that most tables consist of, and their values are touched as few times as
//! can be: hashed once, for where pages end and for the dictionary; numbered or packed; compressed.
//! `values` gives the values their physical type, `cuts` ends pages, `dictionary` numbers values,
//! `hybrid` and `delta` are the encodings, `bounds` the statistics, `pages` puts it together. Other
//! columns are written by the Parquet crate: see [`super::chunk`].

mod bounds;
mod cuts;
mod delta;
mod dictionary;
mod hybrid;
mod pages;
mod values;

use arrow::array::{Array, ArrayRef};
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;

use self::cuts::page_ends;
use self::dictionary::Dictionary;
use self::pages::PageWriter;
use self::values::Values;
use super::chunk::Chunk;
use super::encoding::Choice;
use super::row_hash::value_hashes;

/// Returns whether this is how a column of this type is written.
pub(super) fn is_flat(column: &ArrayRef) -> bool {
    Values::holds(column.data_type())
}

/// Encodes a dense column of at least one row, for which [`is_flat`].
pub(super) fn encode_flat(
    column: &ArrayRef,
    described: ColumnDescPtr,
    choice: Choice,
) -> Result<Chunk, ParquetError> {
    let hashes = value_hashes(column);
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let ends = page_ends(column, &hashes);
    let values = Values::of(column, described.physical_type())?;
    let hashes = match nulls {
        None => hashes,
        Some(nulls) => nulls.valid_indices().filter_map(|row| hashes.get(row).copied()).collect(),
    };
    let dictionary =
        if choice.dictionary { Dictionary::build(&values, &hashes, &described) } else { None };
    drop(hashes);
    let mut writer = PageWriter::new(&values, dictionary.as_ref(), described)?;
    let (mut row, mut value) = (0, 0);
    for end in ends {
        let levels = nulls.map(|nulls| nulls.slice(row, end - row));
        let there = levels.as_ref().map_or(end - row, |levels| levels.len() - levels.null_count());
        writer.push(levels.as_ref(), end - row, value..value + there)?;
        (row, value) = (end, value + there);
    }
    writer.finish(choice.bloom_values)
}

#[cfg(test)]
mod tests;
