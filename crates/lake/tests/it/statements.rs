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

#[test]
fn a_scattered_key_is_looked_for_where_it_may_be() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        // Bounds of the parts say nothing of such keys.
        let key = |row: u128| {
            format!("{:032x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
        };
        let rows: String =
            (0..30_000).map(|row| format!("{},{},{row}\n", key(row), row % 6)).collect();
        let by = Some(vec!["part".to_owned()]);
        let request = StoreRequest { partition_by: by, ..named("t", &format!("k,part,n\n{rows}")) };
        assert_eq!(lake.store(request, no_progress()).await.unwrap().parts, 6);
        let read = async |condition: &str| {
            let query = format!("EXPLAIN ANALYZE SELECT n FROM t WHERE {condition}");
            let plan = sql(&lake, &query).await.unwrap();
            let kept = plan.split("parts_pruned=").nth(1).map(|rest| rest.chars().next());
            (
                kept.flatten(),
                sql(&lake, &format!("SELECT n FROM t WHERE {condition}")).await.unwrap(),
            )
        };
        let one = format!("k = '{}'", key(777));
        assert_eq!(read(&one).await, (Some('5'), "777".to_owned()));
        // Kept filters say the same.
        assert_eq!(read(&one).await, (Some('5'), "777".to_owned()));
        assert_eq!(read(&format!("k IN ('{}', 'x') AND n > 3", key(778))).await.1, "778");
        assert_eq!(read(&format!("{one} OR n = 5")).await.0, Some('0'));
        assert_eq!(read("k = 'nowhere'").await.1, "");
    });
}
