//! Copies of closed log segments as Parquet, and how long they are kept.

use cidlake_query::arrow::array::{Array as _, AsArray as _};
use cidlake_query::arrow::compute::max;
use cidlake_query::arrow::datatypes::TimestampMillisecondType;
use cidlake_query::{DerivedReader, DerivedWriter};
use cidlake_store::{Lsn, Payload, Says, SealedLog};

use super::wal::{RECORDS_AT_ONCE, rows, schema};
use crate::clock::now_ms;
use crate::error::Error;
use crate::lake::{Inner, delta_at};
use crate::progress::{Progress, ProgressEvent, Unit};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

impl Inner {
    /// Makes copies of closed segments that have none, and lets go of those that were kept long
    /// enough. Returns how many there are that were not there before.
    pub(crate) fn seal_log(&self, progress: &Progress) -> Result<u64, Error> {
        self.store.remove_sealed_drafts();
        let wanted = self.store.unsealed_logs()?;
        for (done, sealed) in (0..).zip(&wanted) {
            progress(ProgressEvent {
                phase: "copying the log",
                done,
                total: Some(wanted.len() as u64),
                unit: Unit::Blocks,
            });
            self.seal_segment(*sealed)?;
        }
        if let Some(days) = self.settings.wal_keep_days {
            self.let_sealed_go(now_ms().saturating_sub(days.saturating_mul(DAY_MS)))?;
        }
        Ok(wanted.len() as u64)
    }

    fn seal_segment(&self, sealed: SealedLog) -> Result<(), Error> {
        let mut writer = DerivedWriter::new(&schema())?;
        let mut cursor = self.store.log_after(Lsn(sealed.first.0 - 1), Some(sealed.last))?;
        loop {
            let records = cursor.next(RECORDS_AT_ONCE)?;
            if records.is_empty() {
                break;
            }
            writer.write(&rows(&records)?)?;
        }
        Ok(self.store.write_sealed(sealed, &writer.finish()?)?)
    }

    /// Removes copies whose last record is older than `before_ms`, but for the newest of all, behind
    /// which the next goes on. One that does not say how old it is stays.
    fn let_sealed_go(&self, before_ms: u64) -> Result<(), Error> {
        let mut sealed = self.store.sealed_logs()?;
        sealed.pop();
        for copy in sealed {
            match self.last_moment(copy)? {
                Some(last_ms) if last_ms < before_ms => self.store.remove_sealed(copy)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns when the last thing happened of which a copy says when, in milliseconds.
    fn last_moment(&self, sealed: SealedLog) -> Result<Option<u64>, Error> {
        let Some(bytes) = self.store.read_sealed(sealed)? else { return Ok(None) };
        let mut last: Option<i64> = None;
        let Ok(batches) = DerivedReader::new(&sealed.to_string(), bytes, &schema()) else {
            return Ok(None);
        };
        for batch in batches {
            let batch = batch?;
            let moments = batch["updated_at"].as_primitive::<TimestampMillisecondType>();
            last = last.max(max(moments).filter(|_| moments.null_count() < moments.len()));
        }
        let operation = last.and_then(|last| u64::try_from(last).ok());
        Ok(operation.max(self.last_delta_moment(sealed)?))
    }

    /// Returns when the last change of the catalog was made that is among these records, where the
    /// log still has them.
    fn last_delta_moment(&self, sealed: SealedLog) -> Result<Option<u64>, Error> {
        let mut cursor = self.store.log_after(Lsn(sealed.first.0 - 1), Some(sealed.last))?;
        let mut last = None;
        loop {
            let records = cursor.next(RECORDS_AT_ONCE)?;
            if records.is_empty() {
                break;
            }
            let deltas = records.into_iter().filter_map(|record| match record.says {
                Says::Payload(Payload::Delta { delta }) => Some(delta),
                _ => None,
            });
            last = deltas.last().or(last);
        }
        let delta = last.map(|cid| delta_at(&self.store, &cid)).transpose()?;
        Ok(delta.map(|delta| delta.delta().clock.wall_ms))
    }
}
