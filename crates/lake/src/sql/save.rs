//! Keeping what a statement that reads returns, as a new dataset: what `CREATE TABLE … AS` does, for
//! who asks for it beside the statement and not in it. What statements themselves write is in
//! `write.rs`.

use cidlake_query::Answer;

use super::write::exists;
use super::{Begun, SqlOptions};
use crate::error::Error;
use crate::history::parse_name;
use crate::lake::Lake;
use crate::rows::Rows;
use crate::write::{ExpectedHead, StoreMode, Stored};

impl Lake {
    /// Runs one SQL statement that reads, as [`Self::sql`] does, and keeps its rows as the new
    /// dataset `name`, as one commit.
    ///
    /// # Errors
    /// `Usage` for a bad name, `Conflict` where there is a dataset of this name, `Invalid` for a
    /// statement that writes, else as [`Self::sql`].
    pub async fn sql_saved(
        &self,
        sql: &str,
        name: &str,
        options: SqlOptions,
    ) -> Result<Stored, Error> {
        let name = parse_name(name)?;
        let asked = name.clone();
        // A name that is taken costs no work; the one that counts is looked at on publishing.
        if self.blocking(move |inner| inner.newest_if_any(&asked)).await?.is_some() {
            return Err(taken(exists(&name)));
        }
        let Begun { answer, deadline, hold, .. } = self.begun(sql, options, true).await?;
        let Answer::Rows(rows) = answer else {
            return Err(Error::invalid("a statement that writes has no rows to be kept")
                .with_hint("keep the rows of a SELECT, or run it without a name"));
        };
        let stop = deadline.stop();
        let rows = Rows::new(rows, Some(deadline), hold);
        self.blocking(move |inner| {
            let how = (StoreMode::Overwrite, Some(ExpectedHead::None));
            Ok(inner.kept_rows(&name, how, rows, stop)?.0)
        })
        .await
    }
}

fn taken(error: Error) -> Error {
    error.with_hint("give it another name; `cidlake drop` and `cidlake rename` free one")
}
