//! Tests of joining schemas and bringing rows to one.

use arrow::array::*;
use arrow::datatypes::*;

use super::*;

fn schema(fields: Vec<(&str, DataType)>) -> SchemaRef {
    let fields: Vec<Field> =
        fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
    Arc::new(Schema::new(fields))
}

fn dictionary(value: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(value))
}

#[test]
fn types_widen_where_no_value_changes() {
    use DataType as T;
    let ts = |unit, zone: Option<&str>| T::Timestamp(unit, zone.map(Into::into));
    let (s, ms, us, ns) =
        (TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond);
    let list = |kind| T::new_list(kind, true);
    let cases = [
        (T::Int8, T::Int64, Some(T::Int64)),
        (T::UInt8, T::Int8, Some(T::Int16)),
        (T::UInt32, T::Int64, Some(T::Int64)),
        (T::UInt64, T::Int8, Some(T::Decimal128(20, 0))),
        (T::Int64, T::Float32, Some(T::Float64)),
        (T::Float32, T::Float64, Some(T::Float64)),
        (T::Null, T::Utf8, Some(T::Utf8)),
        (T::Date32, T::Null, Some(T::Date32)),
        (T::Decimal128(5, 2), T::Decimal128(4, 0), Some(T::Decimal128(6, 2))),
        (T::Decimal128(5, 2), T::Int32, Some(T::Decimal128(12, 2))),
        (T::Decimal128(38, 0), T::Decimal128(38, 10), Some(T::Decimal256(48, 10))),
        (T::Decimal128(5, 2), T::Float64, None),
        (T::Date32, ts(ns, None), Some(ts(ns, None))),
        (T::Date32, ts(ns, Some("UTC")), None),
        (T::Date32, T::Date64, Some(T::Date64)),
        (ts(s, None), T::Date64, Some(ts(ms, None))),
        (ts(s, None), ts(us, None), Some(ts(us, None))),
        (ts(s, Some("+01:00")), ts(ms, Some("UTC")), Some(ts(ms, Some("+01:00")))),
        (ts(s, None), ts(s, Some("UTC")), None),
        (T::Time32(s), T::Time64(us), Some(T::Time64(us))),
        (T::LargeUtf8, T::Utf8View, Some(T::LargeUtf8)),
        (dictionary(T::Utf8), T::LargeUtf8, Some(dictionary(T::Utf8))),
        (dictionary(T::Int8), T::Int32, Some(T::Int32)),
        (T::Utf8, dictionary(T::Utf8), Some(T::Utf8)),
        (list(T::Int8), list(T::Int32), Some(list(T::Int32))),
        (list(T::Int8), list(T::Utf8), None),
        (T::Utf8, T::Int64, None),
        (T::Duration(s), T::Duration(ms), None),
        (T::Interval(IntervalUnit::YearMonth), T::Int32, None),
    ];
    for (a, b, expected) in cases {
        let unified = unify(&[schema(vec![("c", a.clone())]), schema(vec![("c", b.clone())])]);
        let kind = unified.ok().map(|schema| schema.field(0).data_type().clone());
        assert_eq!(kind, expected, "{a} and {b}");
    }
}

#[test]
fn columns_must_be_the_same_in_any_order() {
    let first = schema(vec![("a", DataType::Int64), ("b", DataType::Utf8)]);
    let other = schema(vec![("b", DataType::Utf8), ("a", DataType::Int32)]);
    assert_eq!(unify(&[Arc::clone(&first), other]).unwrap(), first);
    let cases = [
        (schema(vec![("a", DataType::Int64)]), "input 2: column `b` of the first input"),
        (
            schema(vec![("a", DataType::Int64), ("b", DataType::Utf8), ("c", DataType::Utf8)]),
            "input 2: column `c` is not in the first",
        ),
        (
            schema(vec![("a", DataType::Utf8), ("b", DataType::Utf8)]),
            "input 2: column `a` is Utf8 in it and Int64 before",
        ),
    ];
    for (other, text) in cases {
        let error = unify(&[Arc::clone(&first), other]).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
    assert!(unify(&[]).is_err());
}

fn adapted(array: ArrayRef, kind: DataType) -> Result<ArrayRef, QueryError> {
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let target = schema(vec![("c", kind)]);
    let adapted = adapt(batch, &target)?;
    assert_eq!(adapted.schema(), target);
    Ok(Arc::clone(adapted.column(0)))
}

#[test]
fn rows_are_brought_to_the_schema() {
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
    let kind = dictionary(DataType::Utf8);
    let target = schema(vec![("name", kind.clone()), ("id", DataType::Float64)]);
    let adapted = adapt(batch.clone(), &target).unwrap();
    assert_eq!(adapted.schema(), target);
    let floats: Vec<Option<f64>> = adapted["id"].as_primitive::<Float64Type>().iter().collect();
    assert_eq!(floats, [Some(1.0), None]);
    let missing = schema(vec![("name", kind), ("other", DataType::Int64)]);
    assert!(adapt(batch, &missing).unwrap_err().to_string().contains("`other`"));
}

#[test]
fn values_that_would_change_are_refused() {
    let exact: ArrayRef = Arc::new(Int64Array::from(vec![1 << 53, -(1 << 53)]));
    assert!(adapted(exact, DataType::Float64).is_ok());
    let rounded: ArrayRef = Arc::new(Int64Array::from(vec![(1 << 53) + 1]));
    let error = adapted(rounded, DataType::Float64).unwrap_err().to_string();
    assert!(error.contains("9007199254740993"), "{error}");
    let far: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX]));
    assert!(adapted(far, DataType::Timestamp(TimeUnit::Nanosecond, None)).is_err());
    let late: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1 << 40]));
    assert!(adapted(late, DataType::Timestamp(TimeUnit::Nanosecond, None)).is_err());
}

#[test]
fn nested_columns_are_brought_along() {
    let inner = |order: [&str; 2]| -> ArrayRef {
        let arrays = order.map(|name| -> (FieldRef, ArrayRef) {
            let array: ArrayRef = Arc::new(Int8Array::from(vec![name.len() as i8]));
            (Arc::new(Field::new(name, DataType::Int8, true)), array)
        });
        Arc::new(StructArray::from(arrays.to_vec()))
    };
    let fields = vec![
        Field::new("aa", DataType::Int64, true),
        Field::new("b", DataType::Decimal128(5, 2), true),
    ];
    let wide = adapted(inner(["b", "aa"]), DataType::Struct(fields.into())).unwrap();
    let wide = wide.as_struct();
    assert_eq!(wide.column(0).as_primitive::<Int64Type>().value(0), 2);
    assert_eq!(wide.column(1).as_primitive::<Decimal128Type>().value(0), 100);
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int8Type, _, _>([
        Some(vec![Some(1), None]),
        None,
    ]));
    let kind = DataType::new_large_list(DataType::Int32, true);
    let wide = adapted(list, kind).unwrap();
    assert_eq!(wide.as_list::<i64>().value(0).as_primitive::<Int32Type>().value(0), 1);
    assert!(wide.is_null(1));
    let nothing: ArrayRef = Arc::new(NullArray::new(2));
    assert_eq!(adapted(nothing, dictionary(DataType::Utf8)).unwrap().logical_null_count(), 2);
}
