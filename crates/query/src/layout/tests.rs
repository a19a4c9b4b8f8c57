//! Tests of the layout: canonical rows, parts, and the way back.

mod alter;
mod columns;
mod golden;
mod profile;
mod reuse;

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use bytes::Bytes;
use cidlake_block::unixfs::list;
use cidlake_block::{Blocks, MemBlocks, cid_of};
use cidlake_catalog::{Part, Scalar};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use self::columns::{all_columns, as_type, lists, nested_columns, plain_columns, words};
use super::size::row_sizes;
use super::*;
use crate::error::{QueryError, QueryErrorKind};

/// Blocks in memory are always ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("blocks in memory made someone wait"),
    }
}

fn nullable(name: &str, array: &ArrayRef) -> Field {
    Field::new(name, array.data_type().clone(), true)
}

pub(super) fn batch_of(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| nullable(name, array)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

pub(super) fn file_of(part: &EncodedPart) -> Bytes {
    part.leaves.iter().flat_map(|leaf| leaf.data().to_vec()).collect::<Vec<u8>>().into()
}

fn read(file: Bytes) -> (SchemaRef, Vec<RecordBatch>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches = builder.with_batch_size(1000).build().unwrap();
    (schema, batches.map(Result::unwrap).collect())
}

fn groups_of(batches: &[RecordBatch], bytes: u64) -> Vec<RowGroup> {
    let mut cutter = RowGroups::small(&batches[0].schema(), CutRule::default(), bytes).unwrap();
    let mut groups = Vec::new();
    for batch in batches {
        groups.extend(cutter.push(batch.clone()).unwrap());
    }
    groups.extend(cutter.finish().unwrap());
    groups
}

pub(super) fn whole(batch: &RecordBatch) -> RowGroup {
    let groups = groups_of(std::slice::from_ref(batch), u64::MAX);
    assert_eq!(groups.len(), 1);
    groups.into_iter().next().unwrap()
}

#[test]
fn every_type_comes_back_exactly() {
    for (name, array) in all_columns() {
        let batch = batch_of(vec![(name, array)]);
        let group = whole(&batch);
        let part = encode_part(&group, 2).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(part.part.rows, 5, "{name}");
        let (schema, batches) = read(file_of(&part));
        assert_eq!(schema, group.rows.schema(), "{name}: the file says the canonical schema");
        let back = restore(&batches[0], &batch.schema()).unwrap();
        assert_eq!(back, batch, "{name}");
    }
}

#[test]
fn nullability_and_metadata_come_back() {
    let note = |text: &str| HashMap::from([("note".to_owned(), text.to_owned())]);
    let fields = vec![
        Field::new("id", DataType::Int64, false).with_metadata(note("key")),
        Field::new("list", DataType::new_list(DataType::Int32, false), false),
    ];
    let schema = Arc::new(Schema::new_with_metadata(fields, note("table")));
    let list = ListArray::try_new(
        Arc::new(Field::new("item", DataType::Int32, false)),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 1, 3])),
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        None,
    );
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(list.unwrap())];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let (_, batches) = read(file_of(&encode_part(&whole(&batch), 2).unwrap()));
    let back = restore(&batches[0], &schema).unwrap();
    assert_eq!(back.schema(), schema);
    assert_eq!(back, batch);
}

#[test]
fn a_projection_of_no_columns_keeps_its_rows() {
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
    assert_eq!(restore(&batch, &schema).unwrap().num_rows(), 3);
}

#[test]
fn the_types_that_carry_the_same_values_have_one_cid() {
    let kinds = [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8)),
    ];
    let cids = kinds.map(|kind| {
        let batch = batch_of(vec![("w", as_type(&words(), kind))]);
        encode_part(&whole(&batch), 2).unwrap().part.cid
    });
    assert!(cids.iter().all(|cid| *cid == cids[0]), "{cids:?}");
}

#[test]
fn a_table_without_rows_is_one_valid_file() {
    let batch = batch_of(all_columns()).slice(0, 0);
    let group = whole(&batch);
    let part = encode_part(&group, 2).unwrap();
    assert_eq!((part.part.rows, part.leaves.len(), part.nodes.len()), (0, 1, 0));
    let (schema, batches) = read(file_of(&part));
    assert_eq!(schema, group.rows.schema());
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert!(part.part.columns.iter().all(|stats| stats.min.is_none() && stats.nulls == 0));
}

#[test]
fn rows_weigh_what_the_table_says() {
    let check = |array: ArrayRef, expected: [u64; 5]| {
        let kind = array.data_type().clone();
        let sizes = row_sizes(&whole(&batch_of(vec![("c", array)])).rows, &[0]);
        let sizes: Vec<u64> = (0..5).map(|row| sizes.of_row(row)).collect();
        assert_eq!(sizes, expected, "{kind}");
    };
    for (name, array) in plain_columns() {
        let expected = match name {
            "null" | "bool" | "i8" | "u8" => [1; 5],
            "i16" | "u16" | "f16" => [2; 5],
            "i32" | "u32" | "f32" | "date32" | "time32_s" | "time32_ms" | "months" => [4; 5],
            "utf8" | "large_utf8" | "utf8_view" => [5, 4, 4, 16, 5],
            "binary" | "large_binary" | "binary_view" => [6, 4, 4, 7, 5],
            "fixed_binary" => [3; 5],
            "decimal_256" => [32; 5],
            name if name.starts_with("decimal") => [16; 5],
            _ => [8; 5],
        };
        check(array, expected);
    }
    for (name, array) in nested_columns() {
        let expected = match name {
            "fixed_list" => [12, 4, 12, 12, 4],
            "struct" => [13, 12, 12, 24, 12],
            // Two structs of 13 and 12; nothing; three of 12, 24 and 12.
            "list_of_structs" => [29, 4, 52, 4, 4],
            "map" => [4 + 6 + 8, 4 + 6 + 8, 4, 4, 4],
            _ => [16, 4, 4, 8, 8],
        };
        check(array, expected);
    }
}

type Row = (Option<i64>, Option<String>, Option<Vec<Option<String>>>, Option<(bool, f32)>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = || prop::option::of("[a-zé]{0,12}");
    let row = (
        prop::option::of(any::<i64>()),
        text(),
        prop::option::of(prop::collection::vec(text(), 0..4)),
        prop::option::of((any::<bool>(), any::<f32>())),
    );
    prop::collection::vec(row, 1..120)
}

fn table_of(rows: &[Row]) -> RecordBatch {
    let ids = Int64Array::from_iter(rows.iter().map(|row| row.0));
    let text = StringArray::from_iter(rows.iter().map(|row| row.1.as_deref()));
    let mut lists = ListBuilder::new(StringBuilder::new());
    for (_, _, list, _) in rows {
        lists.append_option(list.clone());
    }
    let flags = BooleanArray::from_iter(rows.iter().map(|row| row.3.map(|pair| pair.0)));
    let floats = Float32Array::from_iter(rows.iter().map(|row| row.3.map(|pair| pair.1)));
    let pairs = StructArray::try_new(
        vec![
            Field::new("flag", DataType::Boolean, true),
            Field::new("float", DataType::Float32, true),
        ]
        .into(),
        vec![Arc::new(flags), Arc::new(floats)],
        Some(rows.iter().map(|row| row.3.is_some()).collect()),
    );
    batch_of(vec![
        ("id", Arc::new(ids)),
        ("text", Arc::new(text)),
        ("list", Arc::new(lists.finish())),
        ("pair", Arc::new(pairs.unwrap())),
    ])
}

fn split(batch: &RecordBatch, cuts: &[usize]) -> Vec<RecordBatch> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (batch.num_rows() + 1)).collect();
    cuts.extend([0, batch.num_rows()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| batch.slice(pair[0], pair[1] - pair[0])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_leave_no_trace(
        rows in rows(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        bytes in 40_u64..2000,
    ) {
        let table = table_of(&rows);
        let cids = |batches: &[RecordBatch]| -> Vec<String> {
            let groups = groups_of(batches, bytes);
            groups.iter().map(|group| encode_part(group, 2).unwrap().part.cid.to_string()).collect()
        };
        prop_assert_eq!(cids(std::slice::from_ref(&table)), cids(&split(&table, &cuts)));
    }

    #[test]
    fn random_rows_come_back(rows in rows(), bytes in 40_u64..2000) {
        let table = table_of(&rows);
        let mut back = Vec::new();
        for group in groups_of(std::slice::from_ref(&table), bytes) {
            let (_, batches) = read(file_of(&encode_part(&group, 2).unwrap()));
            back.extend(batches.iter().map(|batch| restore(batch, &table.schema()).unwrap()));
        }
        let back = arrow::compute::concat_batches(&table.schema(), &back).unwrap();
        prop_assert_eq!(format!("{back:?}"), format!("{table:?}"), "NaN is compared as text");
    }

    #[test]
    fn damaged_schemas_are_errors(at in any::<usize>(), bit in 0_u8..8, cut in any::<usize>()) {
        let good = schema_to_bytes(&batch_of(all_columns()).schema());
        let mut bad = good.to_vec();
        let at = at % bad.len();
        bad[at] ^= 1 << bit;
        // Either answer is fine, as long as there is one.
        let _ = schema_from_bytes(&bad);
        prop_assert!(schema_from_bytes(&good[..cut % good.len()]).is_err());
    }
}

#[test]
fn values_behind_nulls_do_not_count() {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 3, 6]));
    let nulls = Some(NullBuffer::from(vec![true, false]));
    let hidden = StringArray::new(offsets, "abcdef".as_bytes().into(), nulls);
    let clean = StringArray::from(vec![Some("abc"), None]);
    let cids = [hidden, clean].map(|array| {
        let group = whole(&batch_of(vec![("t", Arc::new(array))]));
        assert_eq!(row_sizes(&group.rows, &[0]).of_row(1), 4);
        encode_part(&group, 2).unwrap().part.cid
    });
    assert_eq!(cids[0], cids[1]);
}

fn refused(columns: Vec<(&str, ArrayRef)>) -> QueryError {
    let batch = batch_of(columns);
    match RowGroups::new(&batch.schema(), CutRule::default()) {
        Err(error) => error,
        Ok(mut cutter) => cutter.push(batch).unwrap_err(),
    }
}

#[test]
fn what_cannot_be_stored_is_refused_by_column() {
    let day = IntervalMonthDayNano::new(1, 2, 3);
    let interval: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![day]));
    let fields = vec![Arc::new(Field::new("i", interval.data_type().clone(), true))];
    let inside: ArrayRef =
        Arc::new(StructArray::try_new(fields.into(), vec![interval], None).unwrap());
    let empty: ArrayRef = Arc::new(StructArray::new_empty_fields(1, None));
    let cases = [
        (refused(vec![("s", inside)]), "column `s.i`"),
        (refused(vec![("e", empty)]), "at least one field"),
        (refused(vec![("a", words()), ("a", words())]), "two columns named `a`"),
    ];
    for (error, text) in cases {
        assert!(error.to_string().contains(text), "{error}");
    }
    let union = UnionFields::from_fields(vec![Field::new("a", DataType::Int8, true)]);
    let union = Field::new("u", DataType::Union(union, UnionMode::Dense), true);
    let error = canonical_schema(&Schema::new(vec![union])).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Unsupported);
    assert!(canonical_schema(&Schema::empty()).unwrap_err().to_string().contains("no columns"));
    let mut deep = DataType::Int8;
    for _ in 0..200 {
        deep = DataType::new_list(deep, true);
    }
    let error = canonical_schema(&Schema::new(vec![Field::new("d", deep, true)])).unwrap_err();
    assert!(error.to_string().contains("nests deeper"), "{error}");
}

#[test]
fn values_that_would_change_are_refused_by_row() {
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, 1, i64::MAX]));
    let short: ArrayRef = Arc::new(Time32SecondArray::from(vec![Some(1), None, Some(i32::MAX)]));
    let digits: ArrayRef =
        Arc::new(Decimal128Array::from(vec![1, 10_000]).with_precision_and_scale(4, 0).unwrap());
    let in_list = ListArray::try_new(
        Arc::new(nullable("item", &seconds)),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 0, 1, 3])),
        Arc::clone(&seconds),
        None,
    );
    let cases = [
        (refused(vec![("t", seconds)]), "column `t`: row 2"),
        (refused(vec![("t", short)]), "column `t`: row 2"),
        (refused(vec![("d", digits)]), "column `d`: row 1"),
        (refused(vec![("l", Arc::new(in_list.unwrap()))]), "column `l.element`: row 2"),
    ];
    for (error, text) in cases {
        assert_eq!(error.kind(), QueryErrorKind::Unsupported, "{error}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn rows_are_counted_over_batches() {
    let good: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0; 5]));
    let bad: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, i64::MIN]));
    let good = batch_of(vec![("t", good)]);
    let mut cutter = RowGroups::new(&good.schema(), CutRule::default()).unwrap();
    cutter.push(good).unwrap();
    let error = cutter.push(batch_of(vec![("t", bad)])).unwrap_err();
    assert!(error.to_string().contains("row 6"), "{error}");
    let error = cutter.push(batch_of(vec![("u", words())])).unwrap_err();
    assert!(error.to_string().contains("`u`"), "{error}");
}

#[test]
fn dictionaries_that_overflow_say_so() {
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300));
    let batch = batch_of(vec![("k", many)]);
    let kind = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Int64));
    let schema = Arc::new(Schema::new(vec![Field::new("k", kind, true)]));
    let error = restore(&batch, &schema).unwrap_err();
    assert!(error.to_string().contains("`k`"), "{error}");
    assert_eq!(error.kind(), QueryErrorKind::Unsupported);
}

#[test]
fn statistics_are_bounds_or_nothing() {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("ä")]));
    let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100); 4]));
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0, 3.0]));
    let infinite: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::INFINITY, 2.0, 3.0]));
    let wide: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX, 2, 3]));
    let decimal: ArrayRef =
        Arc::new(Decimal128Array::from(vec![-5, 7, 0, 1]).with_precision_and_scale(5, 1).unwrap());
    let list: ArrayRef = Arc::new(lists().slice(0, 4));
    let batch = batch_of(vec![
        ("text", text),
        ("list", list),
        ("long", long),
        ("nan", nan),
        ("infinite", infinite),
        ("wide", wide),
        ("decimal", decimal),
    ]);
    let stats = encode_part(&whole(&batch), 2).unwrap().part.columns;
    let [text, list, long, nan, infinite, wide, decimal] = stats.as_slice() else {
        panic!("one entry a column")
    };
    assert_eq!((text.nulls, text.exact), (1, true));
    assert_eq!(text.min, Some(Scalar::Text("a".to_owned())));
    assert_eq!(text.max, Some(Scalar::Text("ä".to_owned())));
    assert_eq!((list.nulls, &list.min, &list.max), (1, &None, &None));
    assert!(list.bytes > 0);
    assert!(!long.exact);
    assert_eq!(long.min, Some(Scalar::Text("x".repeat(64))));
    assert_eq!((&nan.min, &nan.max), (&None, &None));
    assert_eq!((&infinite.min, &infinite.max), (&Some(Scalar::Float(1.0)), &None));
    assert_eq!(wide.max, Some(Scalar::UInt(u64::MAX)));
    let big_endian = |value: i128| Scalar::Wide(Bytes::copy_from_slice(&value.to_be_bytes()));
    assert_eq!(decimal.min, Some(big_endian(-5)));
    assert_eq!(decimal.max, Some(big_endian(7)));
}

#[test]
fn bounds_that_leave_nan_out_are_not_written() {
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN)]));
    let single = as_type(&nan, DataType::Float32);
    let half = as_type(&single, DataType::Float16);
    let behind_null = vec![1.0, f64::NAN, 2.0];
    let valid = NullBuffer::from(vec![true, false, true]);
    let hidden: ArrayRef = Arc::new(Float64Array::new(behind_null.into(), Some(valid)));
    let clean: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0)]));
    let columns =
        vec![("nan", nan), ("single", single), ("half", half), ("hidden", Arc::clone(&hidden))];
    let file = file_of(&encode_part(&whole(&batch_of(columns)), 2).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let chunks = reader.metadata().row_group(0).columns();
    let bounded: Vec<bool> = chunks.iter().map(|chunk| chunk.statistics().is_some()).collect();
    assert_eq!(bounded, [false, false, false, true]);
    let cids = [hidden, clean]
        .map(|array| encode_part(&whole(&batch_of(vec![("x", array)])), 2).unwrap().part.cid);
    assert_eq!(cids[0], cids[1], "what lies behind a null leaves no trace");
}

#[test]
fn schemas_as_bytes_are_exact_and_stable() {
    let note =
        |n: usize| (0..n).map(|n| (format!("key {n}"), n.to_string())).collect::<HashMap<_, _>>();
    // An empty time zone and none are one thing to the IPC format, which has but one way to say it.
    let said_twice = |name: &str| name == "ts_empty_zone";
    let columns = all_columns().into_iter().filter(|(name, _)| !said_twice(name)).collect();
    let fields = batch_of(columns).schema().fields().clone();
    let schema = Schema::new_with_metadata(fields, note(20));
    let bytes = schema_to_bytes(&schema);
    assert_eq!(bytes.len() % 8, 0);
    assert_eq!(schema_from_bytes(&bytes).unwrap().as_ref(), &schema);
    for _ in 0..5 {
        let again = Schema::new_with_metadata(schema.fields().clone(), note(20));
        assert_eq!(schema_to_bytes(&again), bytes);
    }
}
