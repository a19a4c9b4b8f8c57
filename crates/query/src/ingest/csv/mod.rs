//! CSV: a header line, then rows; separated by comma, semicolon, tab or bar, whichever the first
//! lines show. An empty field is null. The whole file is read once as text to find types
//! ([`guess`]) and once more in those types.

mod guess;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use self::guess::Guess;
use super::source::{CountedReader, Guarded, Source, guarded};
use super::{BATCH_ROWS, Batches};
use crate::error::{QueryError, arrow_message};

/// How much of the file is looked at for its separator.
const SNIFF_BYTES: u64 = 64 << 10;
/// The separators that are known; the first is taken where none shows.
const SEPARATORS: [u8; 4] = *b",;\t|";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn open(source: Source) -> Result<(SchemaRef, Batches), QueryError> {
    let label = source.label().to_owned();
    guarded(&label, || {
        let (start, separator) = sniff(&source)?;
        let names = header(&source, start, separator)?;
        let schema = infer(&source, start, separator, &names)?;
        let reader = builder(&schema, separator)
            .build(source.reader_at(start)?)
            .map_err(|error| bad(&label, error))?;
        let owned = label.clone();
        let rows = reader.map(move |batch| batch.map_err(|error| bad(&owned, error)));
        let batches: Batches = Box::new(Guarded::new(&label, rows));
        Ok((schema, batches))
    })
}

fn builder(schema: &SchemaRef, separator: u8) -> ReaderBuilder {
    ReaderBuilder::new(SchemaRef::clone(schema))
        .with_header(true)
        .with_delimiter(separator)
        .with_batch_size(BATCH_ROWS)
}

fn bad(label: &str, error: ArrowError) -> QueryError {
    match error {
        ArrowError::IoError(_, source) => {
            QueryError::Io { label: label.to_owned(), op: "read", source }
        }
        other => QueryError::bad_input(label, "", arrow_message(&other)),
    }
}

/// Returns where the text starts, behind a byte order mark, and what separates its fields.
fn sniff(source: &Source) -> Result<(u64, u8), QueryError> {
    let mut first = Vec::new();
    source
        .uncounted_at(0)?
        .take(SNIFF_BYTES)
        .read_to_end(&mut first)
        .map_err(|error| source.io(error))?;
    if first.starts_with(b"\xff\xfe") || first.starts_with(b"\xfe\xff") {
        return Err(source.bad("", "the text is UTF-16; convert it to UTF-8"));
    }
    if first.contains(&0) {
        return Err(source.bad("", "this is no text, so it cannot be CSV"));
    }
    let text = first.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&first);
    let start = (first.len() - text.len()) as u64;
    Ok((start, separator(text)))
}

/// The separator that gives the first records the same number of fields, most of them; else the
/// one that the first record has most of.
fn separator(text: &[u8]) -> u8 {
    let counts = SEPARATORS.map(|separator| fields_of_records(text, separator));
    let even = |counts: &[usize]| match counts.split_first() {
        Some((first, rest)) if *first > 1 && rest.iter().all(|count| count == first) => *first,
        _ => 0,
    };
    let first = |counts: &[usize]| counts.first().copied().unwrap_or(0);
    let best = |score: &dyn Fn(&[usize]) -> usize| {
        let scored = counts.iter().map(|counts| score(counts)).zip(SEPARATORS);
        // The earlier separator wins a tie.
        scored.rev().max_by_key(|(score, _)| *score).filter(|(score, _)| *score > 1)
    };
    best(&even).or_else(|| best(&first)).map_or(b',', |(_, separator)| separator)
}

/// Numbers of fields of the complete records in `text`; quotes hide separators and line ends.
fn fields_of_records(text: &[u8], separator: u8) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut fields, mut quoted, mut blank) = (1, false, true);
    for byte in text {
        match byte {
            b'"' => (quoted, blank) = (!quoted, false),
            b'\n' if !quoted => {
                if !blank {
                    counts.push(fields);
                }
                (fields, blank) = (1, true);
            }
            b'\r' if !quoted => {}
            byte if *byte == separator && !quoted => (fields, blank) = (fields + 1, false),
            _ => blank = false,
        }
    }
    if counts.is_empty() && !blank {
        counts.push(fields);
    }
    counts
}

/// Reads the names of the columns; a column without a name is named by its position.
fn header(source: &Source, start: u64, separator: u8) -> Result<Vec<String>, QueryError> {
    let format = Format::default().with_header(true).with_delimiter(separator);
    let (schema, _) = format
        .infer_schema(BufReader::new(source.uncounted_at(start)?), Some(0))
        .map_err(|error| source.bad("line 1", arrow_message(&error)))?;
    let names: Vec<String> = schema
        .fields()
        .iter()
        .zip(1..)
        .map(|(field, position)| match field.name().trim() {
            "" => format!("column_{position}"),
            name => name.to_owned(),
        })
        .collect();
    if names.is_empty() {
        return Err(source.bad("line 1", "there is no header line"));
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(source.bad("line 1", format!("two columns are named `{twice}`"))),
        None => Ok(names),
    }
}

/// Reads the whole file as text and finds the narrowest type for each column.
fn infer(
    source: &Source,
    start: u64,
    separator: u8,
    names: &[String],
) -> Result<SchemaRef, QueryError> {
    let text = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let text: SchemaRef = Arc::new(Schema::new(text.collect::<Vec<_>>()));
    let file: CountedReader = source.uncounted_at(start)?;
    let reader =
        builder(&text, separator).build(file).map_err(|error| bad(source.label(), error))?;
    let mut guesses = vec![Guess::default(); names.len()];
    for batch in reader {
        let batch = batch.map_err(|error| bad(source.label(), error))?;
        for (column, guess) in batch.columns().iter().zip(&mut guesses) {
            column.as_string::<i32>().iter().flatten().for_each(|value| guess.observe(value));
        }
    }
    let fields =
        names.iter().zip(&guesses).map(|(name, guess)| Field::new(name, guess.data_type(), true));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}
