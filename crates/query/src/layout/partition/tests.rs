//! Partition columns: what is in files and what in folders, and which rows come together.

use arrow::array::{
    BooleanArray, Date32Array, DictionaryArray, Int8Array, Int64Array, StringArray,
    TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::layout::{CutRule, RowGroups};

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(ToString::to_string).collect()
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// Rows of which the first two columns may be folders.
fn rows(keys: &[(Option<&str>, i64)]) -> RecordBatch {
    let texts: StringArray = keys.iter().map(|(text, _)| *text).collect();
    let numbers: Int64Array = keys.iter().map(|(_, number)| Some(*number)).collect();
    let places = Int64Array::from_iter_values(0..keys.len() as i64);
    table(vec![("k", Arc::new(texts)), ("n", Arc::new(numbers)), ("place", Arc::new(places))])
}

#[test]
fn values_are_written_as_people_write_them_and_read_back() {
    let zone = |array: TimestampMicrosecondArray| array.with_timezone("Europe/Zurich");
    let packed: DictionaryArray<Int32Type> = ["a/b"].into_iter().collect();
    let long = "x".repeat(99);
    let cases: Vec<(ArrayRef, &str, Option<Scalar>)> = vec![
        (Arc::new(Int8Array::from(vec![-7])), "-7", Some(Scalar::Int(-7))),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            "18446744073709551615",
            Some(Scalar::UInt(u64::MAX)),
        ),
        (Arc::new(BooleanArray::from(vec![true])), "true", Some(Scalar::Bool(true))),
        (Arc::new(Date32Array::from(vec![20_484])), "2026-01-31", Some(Scalar::Int(20_484))),
        (Arc::new(packed), "a/b", Some(Scalar::Text("a/b".into()))),
        (Arc::new(StringArray::from(vec![""])), "", Some(Scalar::Text(String::new()))),
        (Arc::new(StringArray::from(vec![long.clone()])), &long, None),
        (
            Arc::new(TimestampSecondArray::from(vec![1])),
            "1970-01-01T00:00:01",
            Some(Scalar::Int(1_000)),
        ),
        (
            Arc::new(zone(TimestampMicrosecondArray::from(vec![1]))),
            "1970-01-01T00:00:00.000001Z",
            Some(Scalar::Int(1)),
        ),
    ];
    for (array, text, bound) in cases {
        let user = table(vec![("k", array), ("v", Arc::new(Int64Array::from(vec![1])))]);
        let columns = Partitioning::new(&user.schema(), &names(&["k"])).unwrap();
        let rows = crate::layout::canonical_batches(&user, columns.schema(), 0).unwrap();
        let values = columns.values(&rows[0], 0).unwrap();
        assert_eq!(values, [Some(text.to_owned())]);
        let part = encode_partitioned(&RowGroup::whole(rows[0].clone()), &columns, 1).unwrap().part;
        assert_eq!(&columns.arrays(&part).unwrap()[0], rows[0].column(0), "{text}");
        assert_eq!((&part.columns[0].min, part.columns[0].nulls), (&bound, 0), "{text}");
    }
}

#[test]
fn columns_that_cannot_be_folders_are_refused_by_name() {
    let floats: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![0.5]));
    let user = table(vec![
        ("f", floats),
        ("k", Arc::new(StringArray::from(vec!["a"]))),
        ("n", Arc::new(Int64Array::from(vec![1]))),
    ]);
    for (columns, expected) in [
        (&["nosuch"][..], "nosuch"),
        (&["f"], "Float64 cannot name folders"),
        (&["k", "n", "k"], "`k` is named twice"),
    ] {
        let refused = Partitioning::new(&user.schema(), &names(columns)).unwrap_err().to_string();
        assert!(refused.contains(expected), "{columns:?}: {refused}");
    }
    let only = user.project(&[1, 2]).unwrap();
    let refused = Partitioning::new(&only.schema(), &names(&["n", "k"])).unwrap_err().to_string();
    assert!(refused.contains("at least one other"), "{refused}");
}

#[test]
fn the_file_of_a_part_holds_the_other_columns_alone() {
    let rows = rows(&[(None, 5), (None, 5)]);
    let columns = Partitioning::new(&rows.schema(), &names(&["n", "k"])).unwrap();
    let group = RowGroup::whole(rows.clone());
    let encoded = encode_partitioned(&group, &columns, 1).unwrap();
    let part = &encoded.part;
    assert_eq!(part.partition, [Some("5".to_owned()), None], "in the order of folders");
    assert_eq!(part.rows_hash, Some(group.hash.to_bytes()), "all columns count");
    assert_eq!(part.columns.len(), 3);
    assert_eq!((part.columns[0].nulls, &part.columns[0].min), (2, &None));
    assert_eq!(part.columns[1].max, Some(Scalar::Int(5)));
    let file = encoded.leaves[0].data().clone();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let in_file: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let in_file = concat_batches(columns.file_schema(), &in_file).unwrap();
    assert_eq!(in_file, columns.without_folders(&rows).unwrap());
    assert_eq!(columns.with_folders(&in_file, &[0, 1, 2], part).unwrap(), rows);
    assert_eq!(
        columns.with_folders(&in_file.project(&[]).unwrap(), &[1], part).unwrap(),
        rows.project(&[1]).unwrap()
    );
}

#[test]
fn a_record_that_does_not_fit_its_table_is_damage() {
    let rows = rows(&[(Some("a"), 5)]);
    let columns = Partitioning::new(&rows.schema(), &names(&["n"])).unwrap();
    let mut part = encode_partitioned(&RowGroup::whole(rows), &columns, 1).unwrap().part;
    part.partition = vec![Some("five".to_owned())];
    assert!(columns.arrays(&part).unwrap_err().to_string().contains("its value of column n"));
    part.partition = Vec::new();
    assert!(columns.arrays(&part).unwrap_err().to_string().contains("0 values for 1"));
}

#[test]
fn a_value_that_no_folder_holds_is_refused() {
    let long = "x".repeat(2_000);
    let rows = rows(&[(Some(&long), 5)]);
    let columns = Partitioning::new(&rows.schema(), &names(&["k"])).unwrap();
    let refused = columns.values(&rows, 0).unwrap_err().to_string();
    assert!(refused.contains("column `k`") && refused.contains("2002 bytes"), "{refused}");
}

fn keys() -> impl Strategy<Value = Vec<(Option<&'static str>, i64)>> {
    let text = prop_oneof![
        Just(None),
        Just(Some("")),
        Just(Some("a")),
        Just(Some("b/c")),
        Just(Some("__HIVE_DEFAULT_PARTITION__")),
    ];
    proptest::collection::vec((text, -2..3_i64), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn grouped_rows_are_those_in_the_order_of_their_values(keys in keys(), cuts in proptest::collection::vec(0..60_usize, 0..4)) {
        let all = rows(&keys);
        let columns = Partitioning::new(&all.schema(), &names(&["k", "n"])).unwrap();
        let mut grouping = Grouping::new(columns.clone()).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(keys.len())).collect();
        cuts.extend([0, keys.len()]);
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        for cut in cuts.windows(2) {
            pieces.extend(grouping.push(&all.slice(cut[0], cut[1] - cut[0])).unwrap());
            pieces.extend(grouping.finish().unwrap());
        }
        let mut grouped = Vec::new();
        for number in grouping.order() {
            grouped.extend(pieces.iter().filter(|(of, _)| *of == number).map(|(_, rows)| rows.clone()));
        }
        let grouped = concat_batches(&all.schema(), &grouped).unwrap();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|row| keys[*row]);
        let order = UInt64Array::from_iter_values(order.into_iter().map(|row| row as u64));
        prop_assert_eq!(&grouped, &arrow::compute::take_record_batch(&all, &order).unwrap());

        let rule = CutRule { partition_columns: names(&["k", "n"]), ..CutRule::default() };
        let mut cutter = RowGroups::small(&all.schema(), rule, 64).unwrap();
        let mut groups = cutter.push(grouped.clone()).unwrap();
        groups.extend(cutter.finish().unwrap());
        let mut again = Vec::new();
        for group in &groups {
            for row in 0..group.rows.num_rows() {
                prop_assert_eq!(columns.values(&group.rows, row).unwrap(), columns.values(&group.rows, 0).unwrap());
            }
            again.push(group.rows.clone());
        }
        prop_assert_eq!(concat_batches(&all.schema(), &again).unwrap(), grouped);
    }

    #[test]
    fn a_partition_is_cut_as_if_it_were_alone(rows_each in 1..40_usize, seed in any::<i64>()) {
        let part = |text: &'static str, seed: i64| {
            let keys: Vec<(Option<&str>, i64)> = (0..rows_each as i64).map(|row| (Some(text), seed.wrapping_mul(31).wrapping_add(row))).collect();
            rows(&keys)
        };
        let rule = || CutRule { partition_columns: names(&["k"]), ..CutRule::default() };
        let cut = |batches: &[RecordBatch]| {
            let mut cutter = RowGroups::small(&batches[0].schema(), rule(), 96).unwrap();
            let mut groups = Vec::new();
            for batch in batches {
                groups.extend(cutter.push(batch.clone()).unwrap());
            }
            groups.extend(cutter.finish().unwrap());
            groups.into_iter().map(|group| group.rows).collect::<Vec<RecordBatch>>()
        };
        let (a, b) = (part("a", seed), part("b", seed.wrapping_add(1)));
        let mut apart = cut(std::slice::from_ref(&a));
        apart.extend(cut(std::slice::from_ref(&b)));
        prop_assert_eq!(cut(&[a, b]), apart);
    }
}
