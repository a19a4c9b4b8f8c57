//! Schemas beside each other.

use arrow::datatypes::TimeUnit;

use super::*;

fn schema(columns: &[(&str, DataType)]) -> Schema {
    let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
    Schema::new(fields.collect::<Vec<Field>>())
}

/// What differs, as `+c Utf8`, `-c Utf8`, `c Utf8 > Int32`, `c moved`, and the names compared.
fn told(a: &[(&str, DataType)], b: &[(&str, DataType)]) -> (Vec<String>, Vec<String>) {
    let compared = compared(&schema(a), &schema(b)).unwrap();
    let text = |one: &ColumnDiff| {
        let kind = |kind: &Option<String>| kind.clone().unwrap_or_default();
        match one.change {
            ColumnChange::Added => format!("+{} {}", one.name, kind(&one.b)),
            ColumnChange::Removed => format!("-{} {}", one.name, kind(&one.a)),
            ColumnChange::Retyped => format!("{} {} > {}", one.name, kind(&one.a), kind(&one.b)),
            ColumnChange::Moved => format!("{} moved", one.name),
        }
    };
    let names = compared.schema.fields().iter();
    let names = names.map(|field| format!("{} {}", field.name(), field.data_type()));
    (compared.columns.iter().map(text).collect(), names.collect())
}

#[test]
fn columns_come_go_and_move() {
    use DataType::{Int32, Utf8};
    let plain = [("a", Int32), ("b", Int32), ("c", Utf8)];
    let none: [&str; 0] = [];
    assert_eq!(told(&plain, &plain).0, none);
    let other = [("c", Utf8), ("a", Int32), ("d", Utf8)];
    let (columns, compared) = told(&plain, &other);
    assert_eq!(columns, ["-b Int32", "c moved", "+d Utf8"]);
    assert_eq!(compared, ["c Utf8", "a Int32"]);
    // One column that came before all others moves none of them.
    let front = [("z", Utf8), ("a", Int32), ("b", Int32), ("c", Utf8)];
    assert_eq!(told(&plain, &front).0, ["+z Utf8"]);
    assert_eq!(told(&[("a", Int32)], &[("b", Int32)]).1, none);
}

#[test]
fn values_are_compared_in_a_type_that_holds_both() {
    use DataType::*;
    let zoned = |unit| Timestamp(unit, Some("UTC".into()));
    // Two types, and in which one values are compared.
    let cases = [
        (Int32, Int64, Some(Int64)),
        (Int64, Int8, Some(Int64)),
        (Int8, UInt8, Some(Int16)),
        (Int32, UInt32, Some(Int64)),
        (Int64, UInt64, None),
        (Int32, Float64, Some(Float64)),
        (Int32, Float32, Some(Float64)),
        (Int64, Float64, None),
        (Float32, Float64, Some(Float64)),
        (Utf8, LargeUtf8, Some(Utf8)),
        (Utf8, Dictionary(Box::new(Int8), Box::new(Utf8)), Some(Utf8)),
        (Utf8, Int32, None),
        (Utf8, Binary, None),
        (Null, Utf8, Some(Utf8)),
        (Int8, Null, Some(Int8)),
        (Date32, Timestamp(TimeUnit::Second, None), Some(Timestamp(TimeUnit::Millisecond, None))),
        (
            Date64,
            Timestamp(TimeUnit::Millisecond, None),
            Some(Timestamp(TimeUnit::Millisecond, None)),
        ),
        (zoned(TimeUnit::Millisecond), zoned(TimeUnit::Second), Some(zoned(TimeUnit::Millisecond))),
        (Timestamp(TimeUnit::Millisecond, None), zoned(TimeUnit::Millisecond), None),
        (Duration(TimeUnit::Second), Duration(TimeUnit::Second), Some(Int64)),
        (Duration(TimeUnit::Second), Duration(TimeUnit::Millisecond), None),
        (Duration(TimeUnit::Second), Int64, None),
        (Interval(IntervalUnit::YearMonth), Int32, None),
        (Decimal128(5, 2), Decimal128(9, 3), Some(Decimal128(9, 3))),
    ];
    for (a, b, expected) in cases {
        let (columns, compared) = told(&[("c", a.clone())], &[("c", b.clone())]);
        let expected: Vec<String> = expected.iter().map(|kind| format!("c {kind}")).collect();
        assert_eq!(compared, expected, "{a} {b}");
        let differs = match (a == b, compared.is_empty()) {
            (true, _) => vec![],
            (false, true) => vec![format!("-c {a}"), format!("+c {b}")],
            (false, false) => vec![format!("c {a} > {b}")],
        };
        assert_eq!(columns, differs);
    }
}

#[test]
fn types_inside_of_others_mean_what_they_say() {
    let list = |kind: DataType| DataType::new_list(kind, true);
    let spans = |unit| list(DataType::Duration(unit));
    assert!(
        told(&[("c", spans(TimeUnit::Second))], &[("c", spans(TimeUnit::Millisecond))])
            .1
            .is_empty()
    );
    let large = DataType::new_large_list(DataType::LargeUtf8, false);
    let (columns, compared) = told(&[("c", list(DataType::Utf8))], &[("c", large)]);
    assert_eq!((columns.len(), compared.len()), (1, 1));
}

#[test]
fn whether_there_may_be_nulls_is_told() {
    let field = |nullable| Schema::new(vec![Field::new("c", DataType::Utf8, nullable)]);
    let columns = compared(&field(false), &field(true)).unwrap().columns;
    assert_eq!(columns[0].a.as_deref(), Some("Utf8 not null"));
    assert_eq!(columns[0].change, ColumnChange::Retyped);
}
