//! Tests of altered parts: each is the one that encoding the altered rows gives.

use super::*;

/// A change of a batch, as a source of each column of the new one.
fn altered(before: &RecordBatch, fields: Vec<Field>, sources: &[ColumnSource]) -> RecordBatch {
    let columns = sources.iter().zip(&fields).map(|(source, field)| match source {
        ColumnSource::Kept(from) => Arc::clone(before.column(*from)),
        ColumnSource::Widened(from) => as_type(before.column(*from), field.data_type().clone()),
        ColumnSource::Constant(value) => {
            let places = UInt64Array::from_value(0, before.num_rows());
            arrow::compute::take(value, &places, None).unwrap()
        }
    });
    let columns = columns.collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub(super) fn one_part(batch: &RecordBatch) -> EncodedPart {
    let groups = groups_of(std::slice::from_ref(batch), ROW_GROUP_BYTES);
    assert_eq!(groups.len(), 1);
    encode_part(&groups[0], 1).unwrap()
}

/// Alters the part of `before` and compares it with the part of the altered rows.
fn check(before: &RecordBatch, fields: Vec<Field>, sources: Vec<ColumnSource>) -> EncodedPart {
    let after = altered(before, fields, &sources);
    let part = one_part(before);
    let alteration = Alteration::new(&before.schema(), &after.schema(), sources, &[]).unwrap();
    let made = alter_part(&part.part, &file_of(&part), &alteration).unwrap();
    let expected = one_part(&after);
    assert_eq!(made.part, expected.part);
    assert_eq!(made.leaves, expected.leaves);
    assert_eq!(made.nodes, expected.nodes);
    made
}

fn kept(batch: &RecordBatch, places: &[usize]) -> (Vec<Field>, Vec<ColumnSource>) {
    let schema = batch.schema();
    let fields = places.iter().map(|place| schema.field(*place).clone()).collect();
    (fields, places.iter().map(|place| ColumnSource::Kept(*place)).collect())
}

fn added(name: &str, value: ArrayRef) -> (Field, ColumnSource) {
    (nullable(name, &value), ColumnSource::Constant(value))
}

/// Numbers without a pattern, and text of them: enough to be many leaves, or one.
pub(super) fn table(rows: u64, seed: u64) -> RecordBatch {
    let scattered = move |n: u64| (n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = |n: u64| (!n.is_multiple_of(7)).then(|| scattered(n).cast_signed() >> (seed % 60));
    let numbers: Int64Array = (0..rows).map(number).collect();
    let small: Int32Array = (0..rows).map(|n| Some((scattered(n) >> 50) as i32)).collect();
    let texts: StringArray =
        (0..rows).map(|n| Some(format!("{:x}", scattered(n) >> (seed % 40)))).collect();
    let few: StringArray = (0..rows).map(|n| Some(format!("word {}", scattered(n) % 9))).collect();
    let floats: Float32Array = (0..rows).map(|n| Some(scattered(n) as f32)).collect();
    batch_of(vec![
        ("numbers", Arc::new(numbers)),
        ("small", Arc::new(small)),
        ("texts", Arc::new(texts)),
        ("few", Arc::new(few)),
        ("floats", Arc::new(floats)),
    ])
}

#[test]
fn every_type_is_kept_renamed_and_dropped() {
    let batch = batch_of(all_columns());
    for place in 0..batch.num_columns() {
        let (fields, sources) = kept(&batch, &[place]);
        check(&batch, fields.clone(), sources.clone());
        let renamed = fields.into_iter().map(|field| field.with_name("another.name")).collect();
        check(&batch, renamed, sources);
    }
    let places: Vec<usize> = (0..batch.num_columns()).collect();
    let (fields, sources) = kept(&batch, &places);
    let rename = |field: Field| {
        let name = format!("{}_2", field.name());
        field.with_name(name)
    };
    check(&batch, fields.into_iter().map(rename).collect(), sources);
}

#[test]
fn every_type_is_added() {
    let batch = batch_of(all_columns());
    let small = table(10, 1);
    for column in batch.columns() {
        let (mut fields, mut sources) = kept(&small, &[0, 3]);
        for (name, value) in
            [("value", column.slice(0, 1)), ("nothing", new_null_array(column.data_type(), 1))]
        {
            let (field, source) = added(name, value);
            fields.push(field);
            sources.push(source);
        }
        check(&small, fields, sources);
    }
}

#[test]
fn parts_cross_the_border_of_one_leaf_both_ways() {
    let batch = table(40_000, 3);
    let (fields, sources) = kept(&batch, &[3]);
    assert_eq!(check(&batch, fields, sources).leaves.len(), 1, "from many leaves to one");
    let (fields, sources) = kept(&batch, &[2, 0]);
    assert!(check(&batch, fields, sources).leaves.len() > 1);
    let few = batch.project(&[3]).unwrap();
    let (mut fields, mut sources) = kept(&few, &[0]);
    let long: String =
        (0..40_000u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let (field, source) = added("long", Arc::new(StringArray::from(vec![long])));
    let few = few.slice(0, 3);
    fields.push(field);
    sources.push(source);
    assert!(check(&few, fields, sources).leaves.len() > 1, "from one leaf to many");
}

#[test]
fn parts_without_rows_are_altered() {
    let batch = table(0, 1);
    let (mut fields, mut sources) = kept(&batch, &[1]);
    let (field, source) = added("more", Arc::new(Int64Array::from(vec![1])));
    fields.push(field);
    sources.push(source);
    let after = altered(&batch, fields, &sources);
    let part = encode_part(&RowGroup { rows: batch.clone(), hash: RowsHash::EMPTY }, 1).unwrap();
    let alteration = Alteration::new(&batch.schema(), &after.schema(), sources, &[]).unwrap();
    let made = alter_part(&part.part, &file_of(&part), &alteration).unwrap();
    let expected = encode_part(&RowGroup { rows: after, hash: RowsHash::EMPTY }, 1).unwrap();
    assert_eq!(made.part, expected.part);
}

#[test]
fn wider_types_hold_every_value() {
    use DataType::*;
    let micros = Timestamp(TimeUnit::Microsecond, None);
    let lossless = [
        (Int8, Int64),
        (UInt32, Int64),
        (UInt8, UInt16),
        (Int32, Float64),
        (Int16, Float32),
        (Float32, Float64),
        (Date32, micros.clone()),
        (Timestamp(TimeUnit::Millisecond, None), micros.clone()),
        (Decimal128(5, 2), Decimal128(6, 3)),
        (Decimal128(38, 0), Decimal256(50, 2)),
    ];
    for (from, to) in lossless {
        assert!(widens(&from, &to), "{from} {to}");
        assert!(!widens(&to, &from), "{to} {from}");
    }
    let lossy = [
        (Int64, Int64),
        (Int64, UInt64),
        (Int8, UInt64),
        (UInt64, Int64),
        (Int64, Float64),
        (Decimal128(5, 2), Decimal128(5, 3)),
        (Utf8, Binary),
        (Int32, Utf8),
        (micros, Date32),
    ];
    for (from, to) in lossy {
        assert!(!widens(&from, &to), "{from} {to}");
    }
}

#[test]
fn widened_columns_are_those_of_the_wider_type() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let numbers = || Arc::new(Int32Array::from_iter((0..500).map(|n| (n % 3 > 0).then_some(n))));
    let of = |kind: DataType| as_type(&(numbers() as ArrayRef), kind);
    for (from, to) in [
        (of(DataType::Int32), DataType::Int64),
        (of(DataType::UInt16), DataType::UInt32),
        (of(DataType::Int16), DataType::Float32),
        (of(DataType::Float32), DataType::Float64),
        (of(DataType::Date32), micros),
        (of(DataType::Decimal128(9, 2)), DataType::Decimal128(20, 4)),
        (of(DataType::Decimal128(20, 2)), DataType::Decimal256(60, 2)),
    ] {
        let batch = batch_of(vec![("a", from), ("b", numbers())]);
        let fields = vec![Field::new("a", to, true), batch.schema().field(1).clone()];
        check(&batch, fields, vec![ColumnSource::Widened(0), ColumnSource::Kept(1)]);
    }
}

#[test]
fn a_narrower_type_is_refused() {
    let batch = table(3, 1);
    let (fields, _) = kept(&batch, &[0]);
    let fields: Vec<Field> =
        fields.into_iter().map(|field| field.with_data_type(DataType::Int32)).collect();
    let schema = Arc::new(Schema::new(fields));
    let refused = Alteration::new(&batch.schema(), &schema, vec![ColumnSource::Widened(0)], &[]);
    assert_eq!(refused.unwrap_err().kind(), QueryErrorKind::Unsupported);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn altered_parts_are_those_of_the_altered_rows(
        rows in prop_oneof![1u64..50, 1_000u64..30_000],
        seed in 0u64..1_000,
        places in proptest::sample::subsequence(vec![0usize, 1, 2, 3, 4], 1..=5).prop_shuffle(),
        renamed in any::<bool>(),
        widened in any::<bool>(),
        value in proptest::option::of(proptest::option::of("[a-z]{0,20}")),
    ) {
        let batch = table(rows, seed);
        let (mut fields, mut sources) = kept(&batch, &places);
        if renamed {
            fields[0] = fields[0].clone().with_name("renamed");
        }
        for (field, source) in fields.iter_mut().zip(&mut sources) {
            let ColumnSource::Kept(from @ (1 | 4)) = *source else { continue };
            if widened {
                let wider = if from == 1 { DataType::Int64 } else { DataType::Float64 };
                *field = field.clone().with_data_type(wider);
                *source = ColumnSource::Widened(from);
            }
        }
        if let Some(value) = value {
            let (field, source) = added("added", Arc::new(StringArray::from(vec![value])));
            fields.push(field);
            sources.push(source);
        }
        check(&batch, fields, sources);
    }
}
