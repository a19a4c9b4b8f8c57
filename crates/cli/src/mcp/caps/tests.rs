//! Answers hold what the caps allow, say what they left out, and lose nothing in between.

use std::sync::Arc;

use cidlake::Format;
use cidlake::arrow::array::{ArrayRef, Int64Array, StringArray};
use cidlake::arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use super::{Caps, Cut, Page, Piece, TEXT_BYTES_MAX};

fn batch(texts: &[String]) -> RecordBatch {
    let ids: Int64Array = (0..texts.len()).map(|id| i64::try_from(id).ok()).collect();
    let texts: StringArray = texts.iter().map(Some).collect();
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("text", Arc::new(texts))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn page(batches: &[RecordBatch], rows: u64, bytes: u64, format: Format) -> Page {
    let mut page = Page::new(batches[0].schema(), Caps { rows, bytes }, format);
    for batch in batches {
        if !page.push(batch).unwrap() {
            break;
        }
    }
    page
}

#[test]
fn the_first_cap_that_is_met_cuts() {
    let rows: Vec<String> = vec!["0123456789".to_owned(); 40];
    let two = [batch(&rows), batch(&rows)];
    // Each row is {"id":7,"text":"0123456789"} and its separator, 29 or 30 bytes.
    let table = [
        (80, 1 << 20, 80, None),
        (81, 1 << 20, 80, None),
        (79, 1 << 20, 79, Some(Cut::Rows)),
        (40, 1 << 20, 40, Some(Cut::Rows)),
        (1, 1 << 20, 1, Some(Cut::Rows)),
        (80, 2_000, 67, Some(Cut::Bytes)),
        (80, 1, 1, Some(Cut::Bytes)),
    ];
    for (rows, bytes, expected, cut) in table {
        let page = page(&two, rows, bytes, Format::Json);
        assert_eq!((page.rows(), page.cut()), (expected, cut), "{rows} rows, {bytes} bytes");
        let data = page.into_data().unwrap();
        assert_eq!(data.as_array().unwrap().len() as u64, expected);
    }
}

#[test]
fn every_format_carries_the_same_rows() {
    let rows: Vec<String> = (0..50).map(|row| format!("row {row}, \"quoted\"")).collect();
    let one = [batch(&rows)];
    let json = page(&one, 20, 1 << 20, Format::Json).into_data().unwrap();
    assert_eq!(json[19], json!({"id": 19, "text": "row 19, \"quoted\""}));
    let csv = page(&one, 20, 1 << 20, Format::Csv).into_data().unwrap();
    let csv = csv.as_str().unwrap();
    assert_eq!(csv.lines().count(), 21);
    assert!(csv.ends_with("19,\"row 19, \"\"quoted\"\"\"\n"), "{csv}");
    let parquet = page(&one, 20, 1 << 20, Format::Parquet).into_data().unwrap();
    // The magic bytes PAR1.
    assert!(parquet.as_str().unwrap().starts_with("UEFSM"));
}

#[test]
fn a_row_that_is_too_long_for_any_answer_is_an_error() {
    let long = "x".repeat(usize::try_from(TEXT_BYTES_MAX).unwrap() + 1);
    let mut page = Page::new(batch(&[]).schema(), Caps::new(Some(5), Format::Json), Format::Json);
    let error = page.push(&batch(&[long])).unwrap_err();
    assert!(error.hint().unwrap().contains("fewer columns"), "{error}");
}

#[test]
fn no_rows_are_an_answer() {
    let none = [batch(&[])];
    for (format, data) in [(Format::Json, json!([])), (Format::Csv, Value::from("id,text\n"))] {
        let page = page(&none, 10, 100, format);
        assert_eq!((page.rows(), page.cut()), (0, None));
        assert_eq!(page.into_data().unwrap(), data);
    }
}

#[test]
fn who_asks_for_rows_gets_the_bytes() {
    assert_eq!(Caps::new(None, Format::Json), Caps { rows: 100, bytes: 32 << 10 });
    assert_eq!(Caps::new(Some(500), Format::Csv), Caps { rows: 500, bytes: 1 << 20 });
    assert_eq!(Caps::new(None, Format::Parquet), Caps { rows: 100, bytes: 1 << 20 });
    assert_eq!(Caps::new(Some(u64::MAX), Format::Json).rows, 10_000);
}

#[test]
fn pieces_join_to_the_whole() {
    let text = "grüße, 世界".repeat(3);
    let bytes = text.as_bytes();
    for length in 4..bytes.len() {
        let (mut at, mut joined) = (0, String::new());
        while at < bytes.len() {
            let end = bytes.len().min(at + length);
            let piece = Piece::text(&bytes[at..end], end < bytes.len());
            assert_eq!(piece.encoding, "utf-8", "{length} from {at}");
            joined.push_str(&piece.content);
            at += usize::try_from(piece.bytes).unwrap();
        }
        assert_eq!(joined, text);
    }
    let binary = Piece::text(&[0x50, 0xff, 0x00], false);
    assert_eq!((binary.content.as_str(), binary.encoding, binary.bytes), ("UP8A", "base64", 3));
}
