//! SQL beyond plain tables: table functions, parameters, statements that write, and what a plan says
//! of its scans.

mod functions;
mod params;
mod writes;

use cidlake::{Error, Lake, Params, SqlOptions};

use crate::text;

/// Runs a statement with parameters, as `sql` does without.
async fn with_params(lake: &Lake, query: &str, values: &[&str]) -> Result<String, Error> {
    let mut params = Params::default();
    for value in values {
        params.push_text(value)?;
    }
    let rows = lake.sql(query, SqlOptions { params, ..SqlOptions::default() }).await?;
    Ok(text(&rows.collect().await?))
}
