//! Reading one table: by name, version or CID, whole, by column or by filter. Statements are in
//! `sql/`.

use std::sync::Arc;

use cidlake_block::Cid;
use cidlake_query::{Scan, Table};

use crate::error::Error;
use crate::history::Target;
use crate::lake::Lake;
use crate::rows::Rows;

/// What of a table to return.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// These columns, in this order; all of them when absent.
    pub columns: Option<Vec<String>>,
    /// Only rows for which this SQL expression is true.
    pub filter: Option<String>,
    /// No more rows than this.
    pub limit: Option<usize>,
}

impl Lake {
    /// Returns the CID of the version that `reference` means now, or of the content where that is no
    /// table of this lake. As a reference it means the same for as long as it is kept.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference.
    pub async fn resolve(&self, reference: &str) -> Result<Cid, Error> {
        Ok(match self.target(reference).await? {
            Target::Commit(found) => found.cid,
            Target::Content(cid) => cid,
        })
    }

    /// Returns rows of one table, in the order in which they were stored, with exactly the types
    /// that they were stored with.
    ///
    /// # Errors
    /// `NotFound` for an unknown name or CID, `Invalid` for an unknown column or a bad filter.
    pub async fn get(&self, reference: &str, options: GetOptions) -> Result<Rows, Error> {
        let hold = self.hold().await?;
        match self.target(reference).await? {
            Target::Commit(found) => {
                let table = Arc::new(Table::new(found.commit)?);
                let scan =
                    Scan { columns: options.columns, filter: options.filter, limit: options.limit };
                Ok(Rows::new(self.inner.engine.scan(table, scan).await?, None, hold))
            }
            Target::Content(cid) => {
                let rows = self.inner.engine.scan_file(
                    cid,
                    Scan { columns: options.columns, filter: options.filter, limit: options.limit },
                );
                Ok(Rows::new(rows.await?, None, hold))
            }
        }
    }
}
