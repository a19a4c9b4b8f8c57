//! SQL beyond plain tables: table functions, parameters, statements that write, and what a plan says
//! of its scans.

mod functions;
mod params;
mod saves;
mod snapshots;
mod writes;

use cidlake::{Error, Lake, Params, SqlOptions, StoreRequest, no_progress};

use crate::{Place, named, run, sql, text};

/// Runs a statement with parameters, as `sql` does without.
async fn with_params(lake: &Lake, query: &str, values: &[&str]) -> Result<String, Error> {
    let mut params = Params::default();
    for value in values {
        params.push_text(value)?;
    }
    let rows = lake.sql(query, SqlOptions { params, ..SqlOptions::default() }).await?;
    Ok(text(&rows.collect().await?))
}

#[test]
fn a_plan_says_what_its_scans_read() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let by = Some(vec!["city".to_owned()]);
        // One value alone would be known without reading.
        let rows = "n,city\n1,rome\n2,bonn\n3,oslo\n4,bonn\n";
        let request = StoreRequest { partition_by: by, ..named("t", rows) };
        lake.store(request, no_progress()).await.unwrap();
        let query = "EXPLAIN ANALYZE SELECT sum(n) FROM t WHERE city = 'bonn'";
        let plan = sql(&lake, query).await.unwrap();
        for said in ["parts_total=3", "parts_pruned=2", "parts_read=1", "bytes_from_packs="] {
            assert!(plan.contains(said), "{said}: {plan}");
        }
    });
}
