//! Tests of output: what every format writes, and what it refuses.

use std::io::{Seek, SeekFrom};
use std::sync::{Arc, Mutex};

use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow::array::*;
use arrow::datatypes::*;
use serde_json::json;

use super::*;
use crate::error::QueryErrorKind;
use crate::ingest;

/// A sink that can be looked into.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn emit(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let sink = Sink::default();
    let mut writer = writer(format, Box::new(sink.clone()), batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();

    sink.0.lock().unwrap().clone()
}

fn text(format: Format, batch: &RecordBatch) -> String {
    String::from_utf8(emit(format, std::slice::from_ref(batch))).unwrap()
}

fn back(format: Format, bytes: &[u8]) -> (SchemaRef, RecordBatch) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let input = ingest::open(file, "emitted", format).unwrap();
    let batches: Vec<RecordBatch> = input.batches.map(Result::unwrap).collect();
    let batch = arrow::compute::concat_batches(&input.schema, &batches).unwrap();
    (input.schema, batch)
}

fn one(array: impl Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter([("c", Arc::new(array) as ArrayRef)]).unwrap()
}

/// Checks the first value as JSON and as text.
fn check(array: impl Array + 'static, value: serde_json::Value, as_text: &str) {
    let batch = one(array);
    assert_eq!(json_rows(std::slice::from_ref(&batch)).unwrap()[0]["c"], value);
    assert_eq!(cells(&batch, 0).unwrap(), [Some(as_text.to_owned())]);
    let line = text(Format::Ndjson, &batch);
    let first = line.lines().next().unwrap();
    let parsed: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(parsed["c"], value, "{first}");
}

#[test]
fn values_read_by_one_set_of_rules() {
    check(BooleanArray::from(vec![true]), json!(true), "true");
    check(
        Int64Array::from(vec![(1 << 53) - 1]),
        json!(9_007_199_254_740_991_i64),
        "9007199254740991",
    );
    check(Int64Array::from(vec![-(1 << 53)]), json!("-9007199254740992"), "-9007199254740992");
    check(UInt64Array::from(vec![u64::MAX]), json!("18446744073709551615"), "18446744073709551615");
    check(Int8Array::from(vec![-5]), json!(-5), "-5");
    check(Float64Array::from(vec![1.0]), json!(1.0), "1.0");
    check(Float64Array::from(vec![f64::NAN]), json!("NaN"), "NaN");
    check(Float64Array::from(vec![f64::NEG_INFINITY]), json!("-Infinity"), "-Infinity");
    check(Float32Array::from(vec![f32::INFINITY]), json!("Infinity"), "Infinity");
    check(Float32Array::from(vec![0.1]), json!(0.1), "0.1");
    check(StringArray::from(vec!["a\"\n"]), json!("a\"\n"), "a\"\n");
    check(StringViewArray::from(vec!["é"]), json!("é"), "é");
    check(BinaryArray::from_vec(vec![b"\x00\xfe"]), json!("00fe"), "00fe");
    let decimal = Decimal128Array::from(vec![-1050]).with_precision_and_scale(10, 2).unwrap();
    check(decimal, json!("-10.50"), "-10.50");
    check(Date32Array::from(vec![19_000]), json!("2022-01-08"), "2022-01-08");
    check(Time64MicrosecondArray::from(vec![1_500_000]), json!("00:00:01.500"), "00:00:01.500");
    let local = TimestampMillisecondArray::from(vec![1_641_600_000_500]);
    check(local.clone(), json!("2022-01-08T00:00:00.500"), "2022-01-08T00:00:00.500");
    let utc = local.clone().with_timezone("UTC");
    check(utc, json!("2022-01-08T00:00:00.500Z"), "2022-01-08T00:00:00.500Z");
    let berlin = local.with_timezone("Europe/Berlin");
    check(berlin, json!("2022-01-08T01:00:00.500+01:00"), "2022-01-08T01:00:00.500+01:00");
    let beyond = TimestampSecondArray::from(vec![i64::MAX]);
    check(beyond, json!(i64::MAX.to_string()), &i64::MAX.to_string());
    check(DurationMillisecondArray::from(vec![1500]), json!("PT1.5S"), "PT1.5S");
    let dictionary = DictionaryArray::<Int32Type>::from_iter(["x"]);
    check(dictionary, json!("x"), "x");
}

#[test]
fn nested_values_are_json() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![
        Some(1),
        None,
        Some(1 << 60),
    ])]);
    let text = "[1,null,\"1152921504606846976\"]";
    check(list.clone(), json!([1, null, "1152921504606846976"]), text);
    let large = arrow::compute::cast(&list, &DataType::new_large_list(DataType::Int64, true));
    check(large.unwrap().as_list::<i64>().clone(), json!([1, null, "1152921504606846976"]), text);
    let fields =
        vec![Field::new("z", DataType::Utf8, true), Field::new("a", DataType::Int64, true)];
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["q\""])), Arc::new(Int64Array::from(vec![None]))];
    let object = StructArray::try_new(fields.into(), columns, None).unwrap();
    check(object, json!({"z": "q\"", "a": null}), "{\"z\":\"q\\\"\",\"a\":null}");
    let mut map = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    map.keys().append_value(7);
    map.values().append_value("x");
    map.append(true).unwrap();
    check(map.finish(), json!({"7": "x"}), "{\"7\":\"x\"}");
}

fn nothing() -> RecordBatch {
    let fields: Vec<Field> =
        [DataType::Int64, DataType::Utf8, DataType::new_list(DataType::Int8, true)]
            .into_iter()
            .enumerate()
            .map(|(index, kind)| Field::new(format!("c{index}"), kind, true))
            .collect();
    let schema = Arc::new(Schema::new(fields));
    let columns =
        schema.fields().iter().map(|field| new_null_array(field.data_type(), 2)).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

#[test]
fn nulls_and_no_rows() {
    let batch = nothing();
    assert_eq!(cells(&batch, 1).unwrap(), [None, None, None]);
    assert_eq!(text(Format::Csv, &batch), "c0,c1,c2\n,,\n,,\n");
    let object = "{\"c0\":null,\"c1\":null,\"c2\":null}";
    assert_eq!(text(Format::Ndjson, &batch), format!("{object}\n{object}\n"));
    assert_eq!(text(Format::Json, &batch), format!("[\n{object},\n{object}\n]\n"));
    let none = batch.slice(0, 0);
    assert_eq!(text(Format::Csv, &none), "c0,c1,c2\n");
    assert_eq!(text(Format::Ndjson, &none), "");
    assert_eq!(text(Format::Json, &none), "[]\n");
    assert_eq!(cells(&batch, 2).unwrap_err().kind(), QueryErrorKind::Internal);
}

#[test]
fn csv_quotes_what_needs_it() {
    let words = ["plain", "a,b", "say \"hi\"", "two\nlines", "", " blank ", "größe 𐅑"];
    let names = RecordBatch::try_from_iter([
        ("w,1", Arc::new(StringArray::from(words.to_vec())) as ArrayRef),
        ("n", Arc::new(Int64Array::from_iter(0..7)) as ArrayRef),
    ])
    .unwrap();
    let csv = text(Format::Csv, &names);
    assert_eq!(
        csv,
        "\"w,1\",n\nplain,0\n\"a,b\",1\n\"say \"\"hi\"\"\",2\n\"two\nlines\",3\n\"\",4\n\" blank \",5\ngröße 𐅑,6\n"
    );
    let (_, read) = back(Format::Csv, csv.as_bytes());
    let read: Vec<Option<&str>> = read["w,1"].as_string::<i32>().iter().collect();
    let expected: Vec<Option<&str>> =
        words.iter().map(|word| (!word.is_empty()).then_some(*word)).collect();
    assert_eq!(read, expected, "empty text reads as null");
    let lone = one(StringArray::from(vec![Some("x"), None, Some("y")]));
    assert_eq!(back(Format::Csv, text(Format::Csv, &lone).as_bytes()).1.num_rows(), 3);
}

#[test]
fn text_formats_read_back_as_they_were() {
    let batch = RecordBatch::try_from_iter([
        ("i", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])) as ArrayRef),
        ("f", Arc::new(Float64Array::from(vec![Some(0.1), Some(1e300), None])) as ArrayRef),
        ("s", Arc::new(StringArray::from(vec![Some("a\\\"\t"), None, Some("𐅑")])) as ArrayRef),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])) as ArrayRef),
    ])
    .unwrap();
    for format in [Format::Csv, Format::Json, Format::Ndjson] {
        let (_, read) = back(format, &emit(format, &[batch.clone(), batch.clone()]));
        assert_eq!(read.slice(3, 3), batch, "{format}");
        assert_eq!(read.num_rows(), 6);
    }
}

#[test]
fn binary_formats_read_back_exactly() {
    let dictionary = DictionaryArray::<Int8Type>::from_iter([Some("x"), None]);
    let other = DictionaryArray::<Int8Type>::from_iter([Some("y"), Some("z")]);
    let note = [("note".to_owned(), "kept".to_owned())];
    let fields = vec![
        Field::new("d", dictionary.data_type().clone(), true),
        Field::new("t", DataType::Timestamp(TimeUnit::Second, Some("+01:00".into())), false)
            .with_metadata(note.clone().into()),
    ];
    let schema = Arc::new(Schema::new_with_metadata(fields, note.into()));
    let batches = [dictionary, other].map(|words| {
        let times = TimestampSecondArray::from(vec![1, 2]).with_timezone("+01:00");
        let columns: Vec<ArrayRef> = vec![Arc::new(words), Arc::new(times)];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    });
    let whole = arrow::compute::concat_batches(&schema, &batches).unwrap();

    let (read_schema, read) = back(Format::Parquet, &emit(Format::Parquet, &batches));
    let millis = DataType::Timestamp(TimeUnit::Millisecond, Some("+01:00".into()));
    assert_eq!(read.column(0), whole.column(0));
    assert_eq!(read.column(1), &arrow::compute::cast(whole.column(1), &millis).unwrap());
    assert_eq!(read_schema.field(1), &schema.field(1).clone().with_data_type(millis));
    assert_eq!(read_schema.metadata(), schema.metadata());

    let (read_schema, read) = back(Format::Arrow, &emit(Format::Arrow, &batches));
    assert_eq!(read_schema.field(0).data_type(), &DataType::Utf8, "files unpack dictionaries");
    assert_eq!(read_schema.field(1), schema.field(1));
    assert_eq!(read_schema.metadata(), schema.metadata());
    let words: Vec<Option<&str>> = read.column(0).as_string::<i32>().iter().collect();
    assert_eq!(words, [Some("x"), None, Some("y"), Some("z")]);

    let sink = Sink::default();
    let mut stream = arrow_stream(Box::new(sink.clone()), &schema).unwrap();
    batches.iter().for_each(|batch| stream.write(batch).unwrap());
    stream.finish().unwrap();
    let (read_schema, read) = back(Format::Arrow, &sink.0.lock().unwrap());
    assert_eq!((read_schema, read), (schema, whole));
}

#[test]
fn parquet_says_what_its_values_are() {
    let seconds: ArrayRef = Arc::new(Time32SecondArray::from(vec![5]));
    let fields = vec![Field::new("t", seconds.data_type().clone(), true)];
    let inside = StructArray::try_new(fields.into(), vec![seconds], None).unwrap();
    let day: ArrayRef = Arc::new(Date64Array::from(vec![Some(86_400_000)]));
    let decimal = Decimal128Array::from(vec![-12]).with_precision_and_scale(3, -2).unwrap();
    let keys = Int8Array::from(vec![0]);
    let moments: ArrayRef = Arc::new(TimestampSecondArray::from(vec![7]));
    let columns: [(&str, ArrayRef); 4] = [
        ("inside", Arc::new(inside)),
        ("day", day),
        ("decimal", Arc::new(decimal)),
        ("dictionary", Arc::new(DictionaryArray::try_new(keys, moments).unwrap())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let bytes = emit(Format::Parquet, &[batch]);
    // As a reader sees it that does not know what Arrow says about the file.
    let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(bytes::Bytes::from(bytes), plain);
    let mut reader = reader.unwrap().build().unwrap();
    let read = reader.next().unwrap().unwrap();
    let text = cells(&read, 0).unwrap();
    let expected = ["{\"t\":\"00:00:05\"}", "1970-01-02T00:00:00", "-1200", "1970-01-01T00:00:07"];
    assert_eq!(text, expected.map(|text| Some(text.to_owned())));
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let array: ArrayRef = Arc::new(Int8Array::from(vec![1]));
    let fields = vec![Field::new("a", DataType::Int8, true); 2];
    let twice = Arc::new(Schema::new(fields));
    for format in [Format::Json, Format::Ndjson, Format::Parquet] {
        assert!(writer(format, Box::new(Sink::default()), Arc::clone(&twice)).is_err(), "{format}");
    }
    let twice = RecordBatch::try_new(twice, vec![Arc::clone(&array), array]).unwrap();
    assert!(json_rows(&[twice]).is_err());
}

#[test]
fn a_sink_that_fails_is_an_io_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let batch = one(Int64Array::from(vec![1, 2, 3]));
    for format in Format::ALL {
        let result = writer(format, Box::new(Full), batch.schema()).and_then(|mut writer| {
            writer.write(&batch)?;
            writer.finish()
        });
        let error = result.unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Io, "{format}: {error}");
        let source = error.into_source().unwrap();
        let source = source.downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn markdown_cells_stay_in_their_row() {
    assert_eq!(markdown_cell("a|b\\\r\nc <b> & `d`"), "a\\|b\\\\<br>c &lt;b&gt; &amp; \\`d\\`");
    assert_eq!(markdown_cell("plain 1.5"), "plain 1.5");
}
