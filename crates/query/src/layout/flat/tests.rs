//! Tests of flat columns: what is written comes back, and says of itself what the Parquet crate's
//! own writer would say.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::super::chunk::{PAGE_BOUND_BYTES, STATISTICS_BYTES};
use super::super::encode_part;
use super::super::row_hash::value_hashes;
use super::super::tests::{batch_of, file_of, whole};
use super::cuts::page_ends;
use super::hybrid::{put_bits, put_hybrid};
use super::is_flat;

fn opened(file: Bytes) -> (Arc<ParquetMetaData>, RecordBatch) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let (metadata, schema) = (Arc::clone(builder.metadata()), Arc::clone(builder.schema()));
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    (metadata, arrow::compute::concat_batches(&schema, &batches).unwrap())
}

/// What the Parquet crate's writer makes of the same rows.
fn of_the_crate(batch: &RecordBatch) -> Arc<ParquetMetaData> {
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_index_truncate_length(Some(PAGE_BOUND_BYTES))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_data_page_size_limit(1 << 30)
        .set_data_page_row_count_limit(1 << 30)
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    opened(Bytes::from(file)).0
}

/// Writes one column, reads it back and holds it against the crate's.
fn check(column: ArrayRef) {
    let group = whole(&batch_of(vec![("c", column)]));
    let part = encode_part(&group, 1).unwrap();
    let group = group.rows;
    assert!(is_flat(group.column(0)));
    let (ours, back) = opened(file_of(&part));
    assert_eq!(back.column(0), group.column(0));
    let theirs = of_the_crate(&group);
    let (chunk, expected) = (ours.row_group(0).column(0), theirs.row_group(0).column(0));
    assert_eq!(chunk.statistics(), expected.statistics());
    assert_eq!(chunk.num_values(), expected.num_values());
    assert_eq!(chunk.definition_level_histogram(), expected.definition_level_histogram());
    assert_eq!(chunk.unencoded_byte_array_data_bytes(), expected.unencoded_byte_array_data_bytes());
    let pages = &ours.offset_index().unwrap()[0][0].page_locations;
    let rows: Vec<i64> = pages.iter().map(|page| page.first_row_index).collect();
    let ends = page_ends(group.column(0), &value_hashes(group.column(0)));
    assert_eq!(rows[0], 0);
    let starts: Vec<i64> = ends[..ends.len() - 1].iter().map(|end| *end as i64).collect();
    assert_eq!(rows[1..], starts);
    // Each page's bounds are those of a table of that page alone.
    let mut start = 0;
    for (page, end) in ends.iter().enumerate() {
        let alone = of_the_crate(&group.slice(start, end - start));
        let bounds = |meta: &ParquetMetaData, page: usize| {
            let index = meta.column_index().unwrap()[0][0].clone();
            (
                index.is_null_page(page),
                index.null_count(page),
                format!("{:?} {:?}", index.min_bytes(page), index.max_bytes(page)),
            )
        };
        assert_eq!(bounds(&ours, page), bounds(&alone, 0), "page {page}");
        start = *end;
    }
}

trait BoundBytes {
    fn min_bytes(&self, page: usize) -> Option<Vec<u8>>;
    fn max_bytes(&self, page: usize) -> Option<Vec<u8>>;
}

impl BoundBytes for parquet::file::page_index::column_index::ColumnIndexMetaData {
    fn min_bytes(&self, page: usize) -> Option<Vec<u8>> {
        match self {
            Self::INT32(index) => index.min_value(page).map(|value| value.to_le_bytes().to_vec()),
            Self::INT64(index) => index.min_value(page).map(|value| value.to_le_bytes().to_vec()),
            Self::BYTE_ARRAY(index) => index.min_value(page).map(<[u8]>::to_vec),
            _ => panic!("a page index of another type"),
        }
    }

    fn max_bytes(&self, page: usize) -> Option<Vec<u8>> {
        match self {
            Self::INT32(index) => index.max_value(page).map(|value| value.to_le_bytes().to_vec()),
            Self::INT64(index) => index.max_value(page).map(|value| value.to_le_bytes().to_vec()),
            Self::BYTE_ARRAY(index) => index.max_value(page).map(<[u8]>::to_vec),
            _ => panic!("a page index of another type"),
        }
    }
}

/// Numbers that look random, from 0.
fn mixed(count: u64) -> impl Iterator<Item = u64> + Clone {
    (0..count).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ (number >> 3))
}

#[test]
fn integers_come_back_with_the_bounds_of_the_crate() {
    let some = |keep: u64| move |number: u64| (number % 7 != keep).then_some(number);
    check(Arc::new(mixed(40_000).map(|n| Some(n as i64)).collect::<Int64Array>()));
    check(Arc::new(
        mixed(40_000).map(some(3)).map(|n| n.map(|n| n as i32)).collect::<Int32Array>(),
    ));
    check(Arc::new(mixed(90_000).map(some(3)).collect::<UInt64Array>()));
    check(Arc::new(mixed(9_000).map(|n| Some(n as u32)).collect::<UInt32Array>()));
    check(Arc::new(
        mixed(70_000).map(some(5)).map(|n| n.map(|n| (n % 19) as i8)).collect::<Int8Array>(),
    ));
    check(Arc::new(mixed(50_000).map(|n| Some((n % 60_000) as u16)).collect::<UInt16Array>()));
    check(Arc::new((0..100_000).map(Some).collect::<Date32Array>()));
    check(Arc::new((0..100_000).rev().map(Some).collect::<TimestampNanosecondArray>()));
    for (digits, most) in [(4, 9_999), (9, 999_999_999), (18, 999_999_999_999_999_999)] {
        let numbers = mixed(50_000).map(|n| Some(i128::from(n as i64) % (most + 1)));
        let decimals = numbers.collect::<Decimal128Array>();
        check(Arc::new(decimals.with_precision_and_scale(digits, 2).unwrap()));
    }
    check(Arc::new(Int32Array::from(vec![None; 100])));
    check(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX, i64::MIN, 0])));
}

#[test]
fn text_and_bytes_come_back_with_the_bounds_of_the_crate() {
    let words = ["", "a", "größe", "\u{10ffff}", "zz"];
    let word = |n: u64| words[(n >> 40) as usize % words.len()];
    check(Arc::new(mixed(30_000).map(|n| Some(word(n))).collect::<StringArray>()));
    let long = |n: u64| (!n.is_multiple_of(11)).then(|| format!("{}{n:x}", word(n).repeat(9)));
    check(Arc::new(mixed(60_000).map(long).collect::<StringArray>()));
    // Cut bounds: characters of several bytes, and nothing above the greatest.
    for text in ["é".repeat(60), "\u{10ffff}".repeat(40), format!("{}\u{7ff}", "x".repeat(14))] {
        let text = format!("{text}{}", "tail".repeat(30));
        check(Arc::new(StringArray::from(vec![text.as_str(), "a"])));
    }
    let bytes = |n: u64| vec![(n >> 50) as u8; (n % 90) as usize];
    check(Arc::new(mixed(30_000).map(|n| Some(bytes(n))).collect::<BinaryArray>()));
    check(Arc::new(BinaryArray::from(vec![&[0xff_u8; 100][..], &[0xff; 3]])));
    check(Arc::new(StringArray::from(vec![None::<&str>; 9])));
}

#[test]
fn packed_bits_are_those_of_the_specification() {
    let mut out = Vec::new();
    put_bits(0..8, 8, 3, &mut out);
    assert_eq!(out, [0b1000_1000, 0b1100_0110, 0b1111_1010]);
    out.clear();
    put_hybrid(&[4; 50], 3, &mut out);
    assert_eq!(out, [100, 4], "one run");
    out.clear();
    put_hybrid(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1, &mut out);
    assert_eq!(out, [3, 1, 18, 0], "a group, then a run of nine");
}

#[test]
fn a_page_ends_where_its_values_say_wherever_it_began() {
    let column: ArrayRef = Arc::new(mixed(400_000).map(|n| n as i64).collect::<Int64Array>());
    let ends_from = |start: usize| -> Vec<usize> {
        let rows = column.slice(start, column.len() - start);
        page_ends(&rows, &value_hashes(&rows)).iter().map(|end| end + start).collect()
    };
    let (all, later) = (ends_from(0), ends_from(1000));
    let shared = all.iter().filter(|end| later.contains(end)).count();
    assert!(shared * 2 > all.len(), "{shared} of {} ends", all.len());
    let sizes = all.windows(2).map(|ends| (ends[1] - ends[0]) * 8);
    assert!(sizes.clone().take(all.len() - 2).all(|size| (65_536..=262_144).contains(&size)));
    let most = sizes.filter(|size| *size >= 262_144).count();
    assert!(most * 5 < all.len(), "{most} of {} pages are of the greatest size", all.len());
}

#[test]
fn what_lies_behind_nulls_ends_no_page() {
    let (mut offsets, mut hidden, mut clean) = (vec![0], String::new(), Vec::new());
    for n in mixed(60_000) {
        let text = format!("{n:x}");
        let there = !n.is_multiple_of(3);
        hidden.push_str(&text);
        offsets.push(hidden.len() as i32);
        clean.push(there.then_some(text));
    }
    let nulls = NullBuffer::from_iter(clean.iter().map(Option::is_some));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let hidden = StringArray::new(offsets, hidden.into_bytes().into(), Some(nulls));
    let clean = StringArray::from_iter(clean);
    let cids = [hidden, clean].map(|array| {
        encode_part(&whole(&batch_of(vec![("t", Arc::new(array))])), 1).unwrap().part.cid
    });
    assert_eq!(cids[0], cids[1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_numbers_come_back(
        numbers in prop::collection::vec(prop::option::weighted(0.8, any::<i64>()), 1..700),
        narrow in 0..64_u32,
        times in 1..9_usize,
    ) {
        let numbers = numbers.iter().flat_map(|n| vec![n.map(|n| n >> narrow); times]);
        check(Arc::new(numbers.clone().collect::<Int64Array>()));
        check(Arc::new(numbers.map(|n| n.map(|n| n as i32)).collect::<Int32Array>()));
    }

    #[test]
    fn any_text_comes_back(
        texts in prop::collection::vec(prop::option::weighted(0.8, ".{0,40}"), 1..200),
        times in 1..70_usize,
    ) {
        let texts = texts.iter().flat_map(|text| vec![text.clone(); times]);
        check(Arc::new(texts.clone().collect::<StringArray>()));
        check(Arc::new(texts.map(|text| text.map(String::into_bytes)).collect::<BinaryArray>()));
    }
}
