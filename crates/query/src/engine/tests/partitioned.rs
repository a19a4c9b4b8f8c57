//! Partitioned tables answer as the same rows without partitions do, and read fewer parts.

use super::*;

/// Rows of three columns that may be folders, and one that is in files.
fn rows(start: i64) -> RecordBatch {
    let texts = StringArray::from(vec![Some("a"), None, Some("b/c"), Some(""), Some("a"), None]);
    let days = Date32Array::from(vec![Some(20_000), Some(20_001), None, Some(20_000), None, None]);
    let times = TimestampSecondArray::from(vec![0, 60, 0, 60, 0, 60]);
    let numbers = Int64Array::from_iter_values(start..start + 6);
    batch_of(vec![
        ("text", Arc::new(texts)),
        ("n", Arc::new(numbers)),
        ("day", Arc::new(days)),
        ("time", Arc::new(times)),
    ])
}

#[test]
fn statements_mean_the_same() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let batches = [rows(0), rows(6), rows(12)];
    let plain = table_of(&blocks, &batches);
    for columns in [&["text"][..], &["day"], &["time", "text"], &["day", "time", "text"]] {
        let table = partitioned_table_of(&blocks, &batches, columns);
        for statement in [
            "SELECT * FROM t ORDER BY n",
            "SELECT n, text FROM t WHERE text = 'a' ORDER BY n",
            "SELECT n FROM t WHERE text IS NULL ORDER BY n",
            "SELECT n FROM t WHERE text IS NOT NULL AND n > 4 ORDER BY n",
            "SELECT n FROM t WHERE text = '' OR text = 'b/c' ORDER BY n",
            "SELECT n FROM t WHERE text LIKE 'b%' ORDER BY n",
            "SELECT n FROM t WHERE text <> 'a' ORDER BY n",
            "SELECT n FROM t WHERE day = DATE '2024-10-04' ORDER BY n",
            "SELECT n FROM t WHERE day > '2024-10-04' AND time >= '1970-01-01T00:01:00' ORDER BY n",
            "SELECT n FROM t WHERE coalesce(text, 'none') = 'none' ORDER BY n",
            "SELECT count(*), count(text), count(day), min(text), max(text), min(day) FROM t",
            "SELECT text, count(*) AS rows, sum(n) FROM t GROUP BY text ORDER BY text",
            "SELECT DISTINCT day, time FROM t ORDER BY day, time",
            "SELECT text FROM t WHERE n = 3",
            "SELECT upper(text) || n AS x FROM t WHERE n < 6 ORDER BY x",
            "SELECT a.n, b.n AS m FROM t a JOIN t b ON a.text = b.text AND a.n < b.n ORDER BY 1, 2",
        ] {
            let (found, expected) =
                (sql(&engine, &table, statement), sql(&engine, &plain, statement));
            assert_eq!(found, expected, "{columns:?}: {statement}");
        }
    }
}

#[test]
fn scans_return_rows_in_the_order_of_partitions() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let table = partitioned_table_of(&blocks, &[rows(0), rows(6)], &["text"]);
    let all = collect(now(engine.scan(Arc::clone(&table), Scan::default())).unwrap());
    assert_eq!(all.schema(), table.schema, "columns stay where they were");
    let numbers: Vec<i64> = all.column(1).as_primitive::<Int64Type>().values().to_vec();
    // Null, an empty text, a, b/c.
    assert_eq!(numbers, [1, 5, 7, 11, 3, 9, 0, 4, 6, 10, 2, 8]);
    let scan = Scan {
        columns: Some(vec!["text".to_owned()]),
        filter: Some("text = 'b/c'".to_owned()),
        limit: Some(1),
    };
    let one = collect(now(engine.scan(Arc::clone(&table), scan)).unwrap());
    assert_eq!(one, batch_of(vec![("text", Arc::new(StringArray::from(vec!["b/c"])))]));
}

#[test]
fn a_filter_on_a_partition_column_leaves_the_other_parts_alone() {
    let blocks = Arc::new(MemBlocks::new());
    let engine = engine_over(&blocks);
    let table = partitioned_table_of(&blocks, &[rows(0), rows(6)], &["text", "day"]);
    let provider = |failure| {
        PartsProvider::of_table(&table, Types::Sql, Arc::clone(engine.files()), failure).unwrap()
    };
    let provider = provider(Arc::default());
    for (filter, expected) in [
        (ident("text").eq(datafusion::logical_expr::lit("a")), 4),
        (ident("text").eq(datafusion::logical_expr::lit("zz")), 0),
        (ident("text").is_null(), 4),
        (ident("day").is_null().and(ident("text").eq(datafusion::logical_expr::lit("b/c"))), 2),
    ] {
        let kept =
            now(provider.kept(&engine.session(), std::slice::from_ref(&filter), None)).unwrap();
        assert_eq!(kept.len(), expected, "{filter}");
    }
}
