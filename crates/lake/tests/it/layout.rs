//! What versions share: columns that come and go, appends, one file over the same leaves, and the
//! logical hash that sees through all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cidlake::arrow::array::{ArrayRef, Int64Array, StringArray};
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{
    BatchSource, ErrorKind, FsckLevel, GetOptions, Lake, LeafKind, Source, StoreMode, StoreRequest,
    Stored, no_progress,
};

use crate::{Place, run, sql};

/// Rows with 200 bytes of text each, so that a few hundred thousand are several row groups.
fn rows(range: std::ops::Range<i64>, extra: bool) -> RecordBatch {
    let noise = |n: i64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64).unsigned_abs();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(range.clone()));
    let text = range.clone().map(|n| format!("{:>0200}", noise(n)));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    let mut columns = vec![("id", ids), ("text", text)];
    if extra {
        let twice: ArrayRef = Arc::new(Int64Array::from_iter_values(range.map(|n| 2 * n)));
        columns.push(("twice", twice));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

async fn keep(lake: &Lake, name: &str, batch: RecordBatch, append: bool) -> Stored {
    let source = BatchSource {
        label: "rows".into(),
        schema: batch.schema(),
        batches: Box::new(std::iter::once(Ok(batch))),
        rows_total: None,
    };
    let request = StoreRequest {
        sources: vec![Source::Batches(source)],
        name: Some(name.into()),
        mode: if append { StoreMode::Append } else { StoreMode::Overwrite },
        ..StoreRequest::default()
    };
    lake.store(request, no_progress()).await.unwrap()
}

async fn logical(lake: &Lake, reference: &str) -> String {
    lake.show(reference).await.unwrap().logical_hash.unwrap()
}

#[test]
fn a_column_more_or_less_moves_no_row_group() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first = keep(&lake, "t", rows(0..400_000, false), false).await;
        assert!(first.parts > 1, "{} parts", first.parts);
        let lengths = |dag: cidlake::TableDag| -> Vec<u64> {
            dag.parts.iter().map(|part| part.rows).collect()
        };
        let before = lengths(lake.dag("t").await.unwrap());

        let wider = keep(&lake, "t", rows(0..400_000, true), false).await;
        assert_eq!(lake.show("t").await.unwrap().cut_columns, ["id", "text"]);
        assert_eq!(lengths(lake.dag("t").await.unwrap()), before);
        assert!(wider.new_bytes * 4 < wider.bytes, "{} of {}", wider.new_bytes, wider.bytes);

        // The version after it has lost a column that decided where row groups end.
        let narrower = rows(0..400_000, true).project(&[1, 2]).unwrap();
        let narrower = keep(&lake, "t", narrower, false).await;
        let dag = lake.dag("t").await.unwrap();
        // A part of one leaf has its footer in that leaf, so it is new whole.
        let small = dag.parts.iter().filter(|part| part.leaves.len() == 1);
        let small: u64 = small.map(|part| part.bytes).sum();
        assert!(small * 4 < narrower.bytes, "{small} of {}", narrower.bytes);
        assert!((narrower.new_bytes - small) * 20 < narrower.bytes, "{}", narrower.new_bytes);
        assert_eq!(lengths(dag), before);
        assert!(lake.fsck(FsckLevel::Full, no_progress()).await.unwrap().damage.is_empty());
    });
}

#[test]
fn the_logical_hash_sees_through_appends_and_names() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        keep(&lake, "whole", rows(0..3_000, false), false).await;
        keep(&lake, "grown", rows(0..1_000, false), false).await;
        keep(&lake, "grown", rows(1_000..3_000, false), true).await;
        let whole = lake.show("whole").await.unwrap();
        let grown = lake.show("grown").await.unwrap();
        assert_ne!(whole.cid, grown.cid, "one part and two");
        assert_eq!(whole.logical_hash, grown.logical_hash);
        assert_ne!(logical(&lake, "grown~1").await, logical(&lake, "grown").await);
        keep(&lake, "other", rows(1..3_001, false), false).await;
        assert_ne!(logical(&lake, "other").await, logical(&lake, "whole").await);
    });
}

#[test]
fn a_table_is_one_file_that_stores_no_row_twice() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let stored = keep(&lake, "t", rows(0..400_000, false), false).await;
        keep(&lake, "t", rows(400_000..400_010, false), true).await;
        let file = lake.as_file("t").await.unwrap();
        assert!(file.new_bytes * 50 < stored.bytes, "{} of {}", file.new_bytes, stored.bytes);
        assert_eq!(lake.as_file("t").await.unwrap().new_bytes, 0);
        let query = |table: String| format!("SELECT count(*), sum(id), max(text) FROM {table}");
        let from_file = sql(&lake, &query(format!("\"{}\"", file.cid))).await.unwrap();
        assert_eq!(from_file, sql(&lake, &query("t".into())).await.unwrap());
        let kept = lake.get(&file.cid.to_string(), GetOptions::default()).await.unwrap();
        let kept: usize = kept.collect().await.unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(kept, 400_010);
        let absent = lake.as_file("nothing").await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn the_dag_says_what_every_leaf_holds() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        keep(&lake, "t", rows(0..200_000, true), false).await;
        let dag = lake.dag("t").await.unwrap();
        let large = dag.parts.iter().filter(|part| part.leaves.len() > 1);
        assert!(large.clone().count() > 0, "all parts are single leaves");
        for part in large {
            let mut end = 0;
            for leaf in &part.leaves {
                assert_eq!(leaf.offset, end, "leaves lie side by side");
                end += leaf.bytes;
                assert_eq!(leaf.kind == LeafKind::Pages, leaf.pages > 0, "{leaf:?}");
            }
            assert_eq!(end, part.bytes);
            let columns: BTreeSet<&str> =
                part.leaves.iter().filter_map(|leaf| leaf.column.as_deref()).collect();
            assert_eq!(columns.into_iter().collect::<Vec<_>>(), ["id", "text", "twice"]);
            assert_eq!(part.leaves[0].kind, LeafKind::Magic);
            assert_eq!(part.leaves.last().map(|leaf| leaf.kind), Some(LeafKind::Footer));
        }
        keep(&lake, "small", rows(0..10, false), false).await;
        let small = lake.dag("small").await.unwrap();
        assert_eq!(small.parts[0].leaves[0].kind, LeafKind::File);
    });
}
