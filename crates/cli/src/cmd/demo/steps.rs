//! What the demo does, step by step, each with the time that it took.
//!
//! Every step is what a user could do with one command. Where a result must be a certain one, it
//! is compared, and the demo fails when it is another.

use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{
    Cid, Error, ErrorKind, FsckLevel, GetOptions, Lake, Rows, Source, SqlOptions, StoreRequest,
    Stored, emit,
};
use tokio::time::Instant;

use super::Context;
use super::report::{AgainWire, CheckWire, QueryWire, ReadWire, Report, TableWire};
use super::tables::{self, Table};
use crate::output::{Preview, Shown};
use crate::wire::FsckWire;

/// Rows in a generated batch.
const BATCH_ROWS: usize = 8_192;
/// Rows in a generated batch the second time: how rows come in must not matter.
const BATCH_ROWS_AGAIN: usize = 1_000;
/// Rows of a query's answer that are kept to be shown.
const ROWS_SHOWN: usize = 5;

/// The queries: TPC-H 1, 3 and 6.
const QUERIES: [(&str, &str); 3] = [
    (
        "TPC-H 1: prices by flag and status",
        "SELECT l_returnflag, l_linestatus, SUM(l_quantity) AS sum_qty, \
         SUM(l_extendedprice * (1 - l_discount)) AS sum_disc_price, \
         SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, \
         AVG(l_discount) AS avg_disc, COUNT(*) AS count_order \
         FROM demo.lineitem WHERE l_shipdate <= DATE '1998-09-02' \
         GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
    ),
    (
        "TPC-H 3: a join of three tables",
        "SELECT l_orderkey, SUM(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, \
         o_shippriority FROM demo.customer, demo.orders, demo.lineitem \
         WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey \
         AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15' \
         GROUP BY l_orderkey, o_orderdate, o_shippriority \
         ORDER BY revenue DESC, o_orderdate LIMIT 10",
    ),
    (
        "TPC-H 6: a filter",
        "SELECT SUM(l_extendedprice * l_discount) AS revenue FROM demo.lineitem \
         WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' \
         AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
    ),
];

/// Runs every step.
///
/// # Errors
/// What stopped a step; `Internal` for a result that is not what it must be.
pub(super) async fn run(context: &Context, lake: &Lake, scale: f64) -> Result<Report, Error> {
    let begun = Instant::now();
    tokio::task::spawn_blocking(tables::prepare).await.map_err(|error| {
        Error::new(ErrorKind::Internal, "the generator stopped").with_source(error)
    })?;
    let prepare_seconds = since(begun);
    let mut stored = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        stored.push(store(context, lake, table, scale).await?);
    }
    let mut queries = Vec::with_capacity(QUERIES.len());
    for (name, sql) in QUERIES {
        queries.push(query(lake, name, sql).await?);
    }
    let reads = vec![read_part(lake).await?, read_whole(lake, &stored).await?];
    let again = store_again(context, lake, scale, &stored).await?;
    let check = check(context, lake).await?;
    Ok(Report {
        scale,
        lake: lake.path().display().to_string(),
        prepare_seconds,
        tables: stored,
        queries,
        reads,
        again,
        check,
        seconds: since(begun),
    })
}

async fn store(
    context: &Context,
    lake: &Lake,
    table: Table,
    scale: f64,
) -> Result<TableWire, Error> {
    let begun = Instant::now();
    let stored = store_batches(context, lake, table, scale, BATCH_ROWS).await?;
    Ok(TableWire {
        name: table.dataset().to_owned(),
        rows: stored.rows,
        parts: stored.parts,
        bytes: stored.bytes,
        new_bytes: stored.new_bytes,
        seconds: since(begun),
        cid: stored.cid.to_string(),
        commit: stored.commit.to_string(),
    })
}

async fn store_batches(
    context: &Context,
    lake: &Lake,
    table: Table,
    scale: f64,
    batch_rows: usize,
) -> Result<Stored, Error> {
    let request = StoreRequest {
        sources: vec![Source::Batches(table.source(scale, batch_rows))],
        name: Some(table.dataset().to_owned()),
        ..StoreRequest::default()
    };
    let meter = context.meter(table.dataset());
    lake.store(request, meter.listener()).await
}

async fn query(lake: &Lake, name: &str, sql: &str) -> Result<QueryWire, Error> {
    let begun = Instant::now();
    let rows = lake.sql(sql, SqlOptions::default()).await?;
    let schema = rows.schema();
    let batches = rows.collect().await?;
    let seconds = since(begun);
    let mut preview = Preview::new(&schema, Shown::new(Some(ROWS_SHOWN), "the first ones"));
    for batch in &batches {
        preview.push(batch)?;
    }
    Ok(QueryWire {
        name: name.to_owned(),
        sql: sql.to_owned(),
        rows: batches.iter().map(|batch| batch.num_rows() as u64).sum(),
        seconds,
        first: emit::json_rows(&first_rows(&batches))?,
        preview: preview.finish(None),
    })
}

/// Returns the rows that are shown.
fn first_rows(batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let mut left = ROWS_SHOWN;
    let mut first = Vec::new();
    for batch in batches {
        let taken = left.min(batch.num_rows());
        first.push(batch.slice(0, taken));
        left -= taken;
    }
    first
}

/// Reads two columns of some rows, and asks SQL how many there must be.
async fn read_part(lake: &Lake) -> Result<ReadWire, Error> {
    let filter = "l_shipdate >= DATE '1998-09-01'";
    let begun = Instant::now();
    let options = GetOptions {
        columns: Some(vec!["l_orderkey".to_owned(), "l_extendedprice".to_owned()]),
        filter: Some(filter.to_owned()),
        limit: None,
    };
    let dataset = Table::LineItem.dataset();
    let rows = drain(lake.get(dataset, options).await?).await?;
    let seconds = since(begun);
    let sql = format!("SELECT 1 FROM {dataset} WHERE {filter}");
    let expected = drain(lake.sql(&sql, SqlOptions::default()).await?).await?;
    must_be("the rows of a filter", rows, expected)?;
    let what = format!("{dataset} by two columns where {filter}");
    Ok(ReadWire { what, rows, seconds })
}

/// Reads a whole table by its CID.
async fn read_whole(lake: &Lake, stored: &[TableWire]) -> Result<ReadWire, Error> {
    let orders = find(stored, Table::Orders)?;
    let begun = Instant::now();
    let rows = drain(lake.get(&orders.cid, GetOptions::default()).await?).await?;
    let seconds = since(begun);
    must_be("the rows of a whole table", rows, orders.rows)?;
    Ok(ReadWire { what: format!("{} by its CID", orders.name), rows, seconds })
}

/// Stores the largest table again, its rows in batches of another size.
async fn store_again(
    context: &Context,
    lake: &Lake,
    scale: f64,
    stored: &[TableWire],
) -> Result<AgainWire, Error> {
    let table = Table::LineItem;
    let first = find(stored, table)?;
    let begun = Instant::now();
    let again = store_batches(context, lake, table, scale, BATCH_ROWS_AGAIN).await?;
    let seconds = since(begun);
    must_be("the bytes written for a table that is there", again.new_bytes, 0)?;
    let same_cid = is(&again.cid, &first.cid) && is(&again.commit, &first.commit);
    must_be("one CID for one table", u64::from(same_cid), 1)?;
    Ok(AgainWire {
        name: table.dataset().to_owned(),
        cid: again.cid.to_string(),
        same_cid,
        new_bytes: again.new_bytes,
        seconds,
    })
}

async fn check(context: &Context, lake: &Lake) -> Result<CheckWire, Error> {
    let begun = Instant::now();
    let meter = context.meter("");
    let report = lake.fsck(FsckLevel::Full, meter.listener()).await?;
    Ok(CheckWire::new(FsckWire::from(&report), since(begun)))
}

/// Reads all rows and returns how many there were.
async fn drain(mut rows: Rows) -> Result<u64, Error> {
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.num_rows() as u64;
    }
    Ok(count)
}

fn find(stored: &[TableWire], table: Table) -> Result<&TableWire, Error> {
    stored.iter().find(|wire| wire.name == table.dataset()).ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("{} was not stored", table.dataset()))
    })
}

fn is(cid: &Cid, text: &str) -> bool {
    cid.to_string() == text
}

fn must_be(what: &str, found: u64, expected: u64) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Internal, format!("{what}: {found} instead of {expected}"))
        .with_hint("this is a defect of cidlake; please report it with `cidlake --version`"))
}

/// Returns the seconds since `begun`, to the millisecond.
fn since(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}
