//! One column of every type that can be stored, five rows each, nulls among them.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;

use super::nullable;

fn ts<T: ArrowTimestampType>(zone: Option<&str>) -> ArrayRef {
    let values = [Some(0), None, Some(-1), Some(1_700_000_000), Some(86_400)];
    Arc::new(PrimitiveArray::<T>::from_iter(values).with_timezone_opt(zone))
}

fn primitive<T: ArrowPrimitiveType>(values: [T::Native; 4]) -> ArrayRef {
    let [a, b, c, d] = values;
    Arc::new(PrimitiveArray::<T>::from_iter([Some(a), None, Some(b), Some(c), Some(d)]))
}

pub(super) fn words() -> ArrayRef {
    Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("Grüße 𐅑"), Some("a")]))
}

pub(super) fn as_type(array: &ArrayRef, kind: DataType) -> ArrayRef {
    cast(array, &kind).unwrap()
}

pub(super) fn lists() -> ListArray {
    let rows = vec![
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
        Some(vec![Some(4)]),
        Some(vec![None]),
    ];
    ListArray::from_iter_primitive::<Int32Type, _, _>(rows)
}

pub(super) fn nested_columns() -> Vec<(&'static str, ArrayRef)> {
    let element = Arc::new(Field::new("item", DataType::Int32, true));
    let lists: ArrayRef = Arc::new(lists());
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [
            Some(vec![Some(1), Some(2)]),
            None,
            Some(vec![None, Some(3)]),
            Some(vec![Some(4), Some(5)]),
            None,
        ],
        2,
    );
    let inner = StructArray::try_new(
        vec![
            Field::new("x", DataType::Utf8View, true),
            Field::new("when", DataType::Timestamp(TimeUnit::Second, Some("+02:00".into())), true),
        ]
        .into(),
        vec![as_type(&words(), DataType::Utf8View), ts::<TimestampSecondType>(Some("+02:00"))],
        Some(NullBuffer::from(vec![true, false, true, true, false])),
    );
    let inner: ArrayRef = Arc::new(inner.unwrap());
    let of_structs = ListArray::try_new(
        Arc::new(nullable("s", &inner)),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 5, 5, 5])),
        Arc::clone(&inner),
        Some(NullBuffer::from(vec![true, false, true, true, true])),
    );
    let mut map = MapBuilder::new(
        Some(MapFieldNames { entry: "e".into(), key: "k".into(), value: "v".into() }),
        StringBuilder::new(),
        Int64Builder::new(),
    );
    for row in 0..5 {
        if row < 2 {
            map.keys().append_value(format!("k{row}"));
            map.values().append_option((row == 0).then_some(7));
        }
        map.append(row != 3).unwrap();
    }
    vec![
        ("list", Arc::clone(&lists)),
        ("large_list", as_type(&lists, DataType::LargeList(Arc::clone(&element)))),
        ("list_view", as_type(&lists, DataType::ListView(Arc::clone(&element)))),
        ("large_list_view", as_type(&lists, DataType::LargeListView(element))),
        ("fixed_list", Arc::new(fixed)),
        ("struct", inner),
        ("list_of_structs", Arc::new(of_structs.unwrap())),
        ("map", Arc::new(map.finish())),
    ]
}

fn encoded_columns() -> Vec<(&'static str, ArrayRef)> {
    let dictionary = |key, value| DataType::Dictionary(Box::new(key), Box::new(value));
    let times = ts::<TimestampMicrosecondType>(Some("Europe/Berlin"));
    let zoned = times.data_type().clone();
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, true, false]));
    let keys = UInt8Array::from(vec![Some(0), None, Some(1), Some(2), Some(2)]);
    let of_flags = DictionaryArray::try_new(keys, flags).unwrap();
    let runs = |ends: DataType, value: DataType| {
        let ends = Arc::new(Field::new("run_ends", ends, false));
        DataType::RunEndEncoded(ends, Arc::new(Field::new("values", value, true)))
    };
    vec![
        ("dict_text", as_type(&words(), dictionary(DataType::Int8, DataType::Utf8))),
        ("dict_large", as_type(&words(), dictionary(DataType::UInt64, DataType::LargeUtf8))),
        ("dict_view", as_type(&words(), dictionary(DataType::Int32, DataType::Utf8View))),
        ("dict_time", as_type(&times, dictionary(DataType::Int16, zoned))),
        ("dict_flags", Arc::new(of_flags)),
        ("runs", as_type(&words(), runs(DataType::Int16, DataType::Utf8))),
        (
            "long_runs",
            as_type(&primitive::<Int64Type>([1, 1, 2, 2]), runs(DataType::Int64, DataType::Int64)),
        ),
    ]
}

pub(super) fn plain_columns() -> Vec<(&'static str, ArrayRef)> {
    let bytes: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![
        Some(b"\x00\xff"),
        None,
        Some(b""),
        Some(b"abc"),
        Some(b"\x80"),
    ]));
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        [Some([1, 2, 3]), None, Some([0; 3]), Some([255; 3]), Some([9; 3])].into_iter(),
        3,
    );
    let decimals = |values: [i128; 4], precision, scale| -> ArrayRef {
        let [a, b, c, d] = values;
        let array = Decimal128Array::from(vec![Some(a), None, Some(b), Some(c), Some(d)]);
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    let small = decimals([0, -99_999, 99_999, 1], 5, 2);
    let day_time = [(0, 0), (-1, 5), (400, -7), (1, 1)].map(|(d, m)| IntervalDayTime::new(d, m));
    vec![
        ("null", Arc::new(NullArray::new(5))),
        (
            "bool",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None])),
        ),
        ("i8", primitive::<Int8Type>([i8::MIN, 0, 1, i8::MAX])),
        ("i16", primitive::<Int16Type>([i16::MIN, 0, 1, i16::MAX])),
        ("i32", primitive::<Int32Type>([i32::MIN, 0, 1, i32::MAX])),
        ("i64", primitive::<Int64Type>([i64::MIN, 0, 1, i64::MAX])),
        ("u8", primitive::<UInt8Type>([0, 1, 128, u8::MAX])),
        ("u16", primitive::<UInt16Type>([0, 1, 1 << 15, u16::MAX])),
        ("u32", primitive::<UInt32Type>([0, 1, 1 << 31, u32::MAX])),
        ("u64", primitive::<UInt64Type>([0, 1, 1 << 63, u64::MAX])),
        ("f16", as_type(&primitive::<Float32Type>([0.5, -2.0, 65504.0, 0.0]), DataType::Float16)),
        ("f32", primitive::<Float32Type>([f32::MIN, f32::INFINITY, -0.0, 1e-45])),
        ("f64", primitive::<Float64Type>([f64::MAX, f64::NEG_INFINITY, 0.1, 5e-324])),
        ("utf8", words()),
        ("large_utf8", as_type(&words(), DataType::LargeUtf8)),
        ("utf8_view", as_type(&words(), DataType::Utf8View)),
        ("binary", Arc::clone(&bytes)),
        ("large_binary", as_type(&bytes, DataType::LargeBinary)),
        ("binary_view", as_type(&bytes, DataType::BinaryView)),
        ("fixed_binary", Arc::new(fixed.unwrap())),
        ("decimal32", as_type(&small, DataType::Decimal32(5, 2))),
        ("decimal64", as_type(&small, DataType::Decimal64(12, 2))),
        ("decimal_1", decimals([0, 9, -9, 1], 1, 0)),
        ("decimal_18", decimals([0, 10_i128.pow(18) - 1, -1, 1], 18, 6)),
        ("decimal_38", decimals([0, 10_i128.pow(38) - 1, 1 - 10_i128.pow(38), 1], 38, 10)),
        ("decimal_negative_scale", decimals([0, 123, -999, 1], 3, -4)),
        ("decimal_256", as_type(&small, DataType::Decimal256(76, 20))),
        ("decimal_256_narrow", as_type(&small, DataType::Decimal256(20, 2))),
        ("date32", primitive::<Date32Type>([i32::MIN, -1, 19_000, i32::MAX])),
        ("date64", primitive::<Date64Type>([-86_400_000, 0, 1, 86_400_000])),
        ("time32_s", primitive::<Time32SecondType>([0, 1, 86_399, 3600])),
        ("time32_ms", primitive::<Time32MillisecondType>([0, 1, 86_399_999, 3600])),
        ("time64_us", primitive::<Time64MicrosecondType>([0, 1, 86_399_999_999, 3600])),
        ("time64_ns", primitive::<Time64NanosecondType>([0, 1, 86_399_999_999_999, 3600])),
        ("ts_s", ts::<TimestampSecondType>(None)),
        ("ts_ms", ts::<TimestampMillisecondType>(None)),
        ("ts_us", ts::<TimestampMicrosecondType>(Some("UTC"))),
        ("ts_ns", ts::<TimestampNanosecondType>(Some("America/New_York"))),
        ("ts_s_zoned", ts::<TimestampSecondType>(Some("+05:30"))),
        ("ts_empty_zone", ts::<TimestampMillisecondType>(Some(""))),
        ("duration_s", primitive::<DurationSecondType>([i64::MIN, 0, 1, i64::MAX])),
        ("duration_ns", primitive::<DurationNanosecondType>([-1, 0, 1, 2])),
        ("months", primitive::<IntervalYearMonthType>([-1, 0, 14, i32::MAX])),
        ("days_and_millis", primitive::<IntervalDayTimeType>(day_time)),
    ]
}

pub(super) fn all_columns() -> Vec<(&'static str, ArrayRef)> {
    let mut columns = plain_columns();
    columns.extend(nested_columns());
    columns.extend(encoded_columns());
    columns
}
