//! Tests of input files of every format, real ones where they lie beside the repository.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::parquet::arrow::ArrowWriter;
use arrow::array::*;
use arrow::datatypes::*;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::*;
use crate::error::QueryErrorKind;
use crate::layout::{CutRule, RowGroups, encode_part, restore};

pub(super) fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Reads everything, as a user's store would.
pub(super) fn ingest(
    format: Format,
    bytes: &[u8],
) -> Result<(SchemaRef, Vec<RecordBatch>), QueryError> {
    let input = open(file_with(bytes), "given", format)?;
    let schema = Arc::clone(&input.schema);
    Ok((schema, input.batches.collect::<Result<_, _>>()?))
}

/// The single batch of a small file.
pub(super) fn table(format: Format, text: &str) -> RecordBatch {
    let (schema, batches) = ingest(format, text.as_bytes()).unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

pub(super) fn complaint(format: Format, text: impl AsRef<[u8]>) -> String {
    let error = ingest(format, text.as_ref()).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::BadInput, "{error}");
    let message = error.to_string();
    assert!(message.starts_with("given"), "{message}");
    message
}

fn sample() -> RecordBatch {
    let names = DictionaryArray::<Int8Type>::from_iter([Some("a"), None, Some("b"), Some("a")]);
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(2)]),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("name", Arc::new(names)),
        ("list", Arc::new(lists)),
        ("text", Arc::new(StringArray::from(vec!["some text that repeats"; 4]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet_file(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.flush().unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn arrow_file(batch: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn arrow_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn binary_files() -> Vec<(&'static str, Format, Vec<u8>)> {
    let batch = sample();
    vec![
        ("parquet", Format::Parquet, parquet_file(&batch)),
        ("file", Format::Arrow, arrow_file(&batch, None)),
        ("zstd file", Format::Arrow, arrow_file(&batch, Some(CompressionType::ZSTD))),
        ("lz4 file", Format::Arrow, arrow_file(&batch, Some(CompressionType::LZ4_FRAME))),
        ("stream", Format::Arrow, arrow_stream(&batch)),
    ]
}

#[test]
fn binary_formats_come_in_as_they_were_given() {
    let batch = sample();
    for (name, format, bytes) in binary_files() {
        let input = open(file_with(&bytes), "given", format).unwrap();
        assert_eq!(input.schema, batch.schema(), "{name}");
        assert_eq!(input.bytes_total, bytes.len() as u64);
        let read = Arc::clone(&input.bytes_read);
        let batches: Vec<RecordBatch> = input.batches.map(Result::unwrap).collect();
        let whole = arrow::compute::concat_batches(&batch.schema(), &batches).unwrap();
        assert_eq!(whole.slice(0, 4), batch, "{name}");
        assert_eq!(whole.slice(4, 4), batch, "{name}");
        assert!(read.load(Ordering::Relaxed) > 0, "{name} counts its bytes");
    }
}

#[test]
fn files_cut_short_are_errors() {
    for (name, format, bytes) in binary_files() {
        for length in 0..bytes.len() {
            // A stream may end behind any message; then it has fewer rows.
            let short = ingest(format, &bytes[..length]);
            let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum();
            let complete: usize = short.map_or(0, |(_, batches)| rows(&batches));
            assert!(complete < 8 || name == "stream", "{name} cut to {length} of {}", bytes.len());
        }
    }
}

#[test]
fn flipped_bits_are_errors_or_other_rows_but_no_panic() {
    for (_, format, bytes) in binary_files() {
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            if let Err(error) = ingest(format, &bad) {
                assert!(!error.to_string().is_empty());
                assert_ne!(error.kind(), QueryErrorKind::Internal, "{error}");
            }
        }
    }
}

#[test]
fn foreign_files_are_named_as_such() {
    let noise = b"\x89PNG\r\n\x1a\n and then some bytes that mean nothing to a table".as_slice();
    for format in Format::ALL {
        complaint(format, noise);
        assert!(complaint(format, b"").contains("empty"));
    }
    let mut encrypted = parquet_file(&sample());
    let at = encrypted.len() - 4;
    encrypted[at..].copy_from_slice(b"PARE");
    assert!(complaint(Format::Parquet, encrypted).contains("encrypted"));
    assert!(complaint(Format::Arrow, b"FEA1 and more").contains("Feather"));
}

#[test]
fn int96_beyond_nanoseconds_keeps_its_moment() {
    use ::parquet::data_type::{Int96, Int96Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let check = |julian_day: u32, unit: TimeUnit| {
        let schema = Arc::new(parse_message_type("message m { required int96 t; }").unwrap());
        let mut bytes = Vec::new();
        let properties = Arc::new(WriterProperties::default());
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let mut value = Int96::new();
        value.set_data(0, 0, julian_day);
        column.typed::<Int96Type>().write_batch(&[value], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let (schema, batches) = ingest(Format::Parquet, &bytes).unwrap();
        assert_eq!(schema.field(0).data_type(), &DataType::Timestamp(unit, None));
        let days = arrow::compute::cast(batches[0].column(0), &DataType::Date32).unwrap();
        assert_eq!(days.as_primitive::<Date32Type>().value(0), julian_day as i32 - 2_440_588);
    };
    check(2_460_000, TimeUnit::Nanosecond);
    check(5_000_000, TimeUnit::Microsecond);
}

#[test]
fn intervals_keep_what_they_have_or_are_refused() {
    use ::parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let file_of = |parts: [i32; 3]| {
        let message = "message m { required fixed_len_byte_array(12) i (INTERVAL); }";
        let schema = Arc::new(parse_message_type(message).unwrap());
        let mut bytes = Vec::new();
        let properties = Arc::new(WriterProperties::default());
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let value = FixedLenByteArray::from(parts.map(i32::to_le_bytes).concat());
        column.typed::<FixedLenByteArrayType>().write_batch(&[value], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    };
    let (_, batches) = ingest(Format::Parquet, &file_of([0, 2, 3])).unwrap();
    let intervals = batches[0].column(0).as_primitive::<IntervalDayTimeType>();
    assert_eq!(IntervalDayTimeType::to_parts(intervals.value(0)), (2, 3));
    let error = ingest(Format::Parquet, &file_of([1, 2, 3])).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Unsupported);
    assert!(error.to_string().contains("months"), "{error}");
}

/// The folder of public test data beside the checkout, if it is there.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("CIDLAKE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("CIDLAKE_REQUIRE_DATA").is_some();
    assert!(!required, "CIDLAKE_REQUIRE_DATA is set and {} is not there", folder.display());
    eprintln!("SKIPPED: no test data at {}; set CIDLAKE_DATA", folder.display());
    None
}

/// Stores a file as a dataset would and reads it back.
fn store_and_read_back(path: &std::path::Path) -> Result<u64, QueryError> {
    let input = open(File::open(path).unwrap(), &path.display().to_string(), Format::Parquet)?;
    let schema = Arc::clone(&input.schema);
    let mut given = Vec::new();
    let mut groups = Vec::new();
    let mut cutter = RowGroups::new(&schema, CutRule::default())?;
    for batch in input.batches {
        let batch = batch?;
        given.push(batch.clone());
        groups.extend(cutter.push(batch)?);
    }
    groups.extend(cutter.finish()?);
    let mut stored = Vec::new();
    for group in &groups {
        let part = encode_part(group, 2)?;
        let file: Vec<u8> = part.leaves.iter().flat_map(|leaf| leaf.data().to_vec()).collect();
        let input = open(file_with(&file), "the part", Format::Parquet)?;
        for batch in input.batches {
            stored.push(restore(&batch?, &schema)?);
        }
    }
    let given = arrow::compute::concat_batches(&schema, &given).unwrap();
    let stored = arrow::compute::concat_batches(&schema, &stored).unwrap();
    // As text, where NaN is NaN.
    let same = given == stored || format!("{given:?}") == format!("{stored:?}");
    assert!(same, "{} changed on its way through the lake", path.display());
    Ok(given.num_rows() as u64)
}

fn parquet_files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    files.sort();
    files
}

#[test]
fn real_tables_come_back() {
    let Some(data) = data() else { return };
    let mut rows = store_and_read_back(&data.join("clickbench_nano_hits.parquet")).unwrap();
    assert_eq!(rows, 24_586);
    for file in parquet_files(&data.join("covid19_nyt")) {
        rows += store_and_read_back(&file).unwrap();
    }
    assert!(rows > 1_000_000);
}

#[test]
fn the_corpus_of_the_parquet_project_is_read() {
    let Some(data) = data() else { return };
    let mut refused = Vec::new();
    let mut read = 0;
    for file in parquet_files(&data.join("parquet-testing")) {
        match store_and_read_back(&file) {
            Ok(_) => read += 1,
            Err(error) => refused.push(format!("{}: {error}", file.file_name().unwrap().display())),
        }
    }
    let unexpected: Vec<&String> = refused
        .iter()
        .filter(|refusal| !UNREADABLE.iter().any(|name| refusal.starts_with(name)))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(read > 40, "{read} were read");
}

/// Files of the corpus that the Parquet reader here refuses, each with an error that says so: a
/// footer and a page header that break the format in ways that some readers let pass, pages that
/// are not what their checksums say, and one text of 2 GiB, which no array of a batch has room for.
const UNREADABLE: [&str; 5] = [
    "datapage_v1-corrupt-checksum.parquet",
    "rle-dict-uncompressed-corrupt-checksum.parquet",
    "dict-page-offset-zero.parquet",
    "nation.dict-malformed.parquet",
    "large_string_map.brotli.parquet",
];
