//! Copies of closed log segments in a form that others can query: files in `wal/sealed/`.
//!
//! What is in them is made above, which knows that form; here they appear whole and durable under
//! the numbers of their first and last record, or not at all. They go on where one another end, so
//! a reader goes through them and then through the log itself. No recovery needs them.

use std::fmt;
use std::io;

use bytes::Bytes;

use crate::error::StoreError;
use crate::locked::lock;
use crate::log::{LogCursor, Lsn, closed_ends};
use crate::store::Store;
use crate::whole::WholeFiles;

const EXTENSION: &str = ".parquet";

/// A copy of some records of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedLog {
    /// The first record in it.
    pub first: Lsn,
    /// The last.
    pub last: Lsn,
}

impl SealedLog {
    /// Returns the name of the file that has this content: the records, and a checksum.
    #[must_use]
    pub fn file_name(self, content: &[u8]) -> String {
        self.named(crc32c::crc32c(content))
    }

    fn named(self, checksum: u32) -> String {
        format!("{:020}-{:020}-{checksum:08x}{EXTENSION}", self.first.0, self.last.0)
    }

    /// Reads a file name; anything but what [`Self::file_name`] gives is not one.
    fn parse(name: &str) -> Option<(Self, u32)> {
        let mut numbers = name.strip_suffix(EXTENSION)?.split('-');
        let (first, last, checksum) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let sealed = Self { first: Lsn(first.parse().ok()?), last: Lsn(last.parse().ok()?) };
        let checksum = u32::from_str_radix(checksum, 16).ok()?;
        let is_one =
            sealed.named(checksum) == name && (1..=sealed.last.0).contains(&sealed.first.0);
        is_one.then_some((sealed, checksum))
    }
}

impl fmt::Display for SealedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the copy of records {} to {}", self.first, self.last)
    }
}

impl Store {
    fn sealed(&self) -> WholeFiles<'_> {
        let folder = self.log_folder.path.join("sealed");
        WholeFiles::new(&self.log_folder.disk, folder, &self.unique)
    }

    /// Returns the copies that there are, in order. Where one goes on before another ends, only the
    /// records behind that end are to be read of it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sealed_logs(&self) -> Result<Vec<SealedLog>, StoreError> {
        let names = self.sealed().names()?;
        let mut sealed: Vec<SealedLog> =
            names.iter().filter_map(|name| Some(SealedLog::parse(name)?.0)).collect();
        sealed.sort_unstable_by_key(|sealed| (sealed.first, sealed.last));
        let mut end = Lsn(0);
        sealed.retain(|sealed| {
            let goes_on = sealed.last > end;
            end = end.max(sealed.last);
            goes_on
        });
        Ok(sealed)
    }

    /// Returns what is to be copied: of each closed segment the records behind those that are copied
    /// already.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn unsealed_logs(&self) -> Result<Vec<SealedLog>, StoreError> {
        let mut end = self.sealed_logs()?.last().map_or(Lsn(0), |sealed| sealed.last);
        let mut unsealed = Vec::new();
        for last in closed_ends(&self.log_folder)? {
            if last > end {
                unsealed.push(SealedLog { first: Lsn(end.0 + 1), last });
                end = last;
            }
        }
        Ok(unsealed)
    }

    /// Begins to read the log behind record `after`, up to its last record, or up to `end`.
    ///
    /// # Errors
    /// As reading the log.
    pub fn log_after(&self, after: Lsn, end: Option<Lsn>) -> Result<LogCursor, StoreError> {
        let last = self.look(|tail| Lsn(tail.last()))?;
        let end = end.map_or(last, |end| end.min(last));
        Ok(LogCursor::new(self.log_folder.clone(), after, end))
    }

    /// Returns the number of the last record of the log, of any kind.
    ///
    /// # Errors
    /// As reading the log.
    pub fn log_end(&self) -> Result<Lsn, StoreError> {
        self.look(|tail| Lsn(tail.last()))
    }

    /// Makes a copy appear under its name, whole and durable, or not at all. One of the same records
    /// that is there is replaced: whoever makes a copy of the same records makes the same.
    ///
    /// # Errors
    /// `ReadOnly` or `NoSpace` when the disk refuses; what was there before stays.
    pub fn write_sealed(&self, sealed: SealedLog, content: &[u8]) -> Result<(), StoreError> {
        self.check_open()?;
        self.make_folders()?;
        let name = sealed.file_name(content);
        let _only_one = lock(&self.deriving);
        self.sealed().write(&name, content)?;
        self.remove_named(sealed, |other| other != name)
    }

    /// Reads a copy; none where it is not what was written.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read_sealed(&self, sealed: SealedLog) -> Result<Option<Bytes>, StoreError> {
        let files = self.sealed();
        let names = files.names()?;
        let mut found = names.iter().filter_map(|name| Some((name, SealedLog::parse(name)?)));
        let found = found.find(|(_, (other, _))| *other == sealed);
        let Some((name, (_, checksum))) = found else {
            let path = self.log_folder.path.join("sealed");
            return Err(StoreError::read(&path, io::ErrorKind::NotFound.into()));
        };
        let content = files.read(name)?;
        Ok((crc32c::crc32c(&content) == checksum).then_some(content))
    }

    /// Removes a copy. Records are gone from sight with it where the log no longer has them.
    ///
    /// # Errors
    /// When the disk refuses; a copy that is gone already is no failure.
    pub fn remove_sealed(&self, sealed: SealedLog) -> Result<(), StoreError> {
        self.remove_named(sealed, |_| true)
    }

    /// Removes the files that have copies of these records and names that are chosen.
    fn remove_named(
        &self,
        sealed: SealedLog,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let files = self.sealed();
        let is_of = |name: &&String| {
            SealedLog::parse(name).is_some_and(|(other, _)| other == sealed) && is_chosen(name)
        };
        files.names()?.iter().filter(is_of).try_for_each(|name| files.remove(name))
    }

    /// Removes drafts of copies that are there: of a process that ended, or was overtaken.
    pub fn remove_sealed_drafts(&self) {
        let Ok(done) = self.sealed_logs() else { return };
        let end = done.last().map_or(Lsn(0), |sealed| sealed.last);
        let is_done =
            |name: &str| SealedLog::parse(name).is_some_and(|(sealed, _)| sealed.last <= end);
        self.sealed().remove_drafts(is_done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_in_no_other_form() {
        let sealed = SealedLog { first: Lsn(1), last: Lsn(17) };
        let name = sealed.named(42);
        assert_eq!(name, "00000000000000000001-00000000000000000017-0000002a.parquet");
        assert_eq!(SealedLog::parse(&name), Some((sealed, 42)));
        let backwards = SealedLog { first: Lsn(18), last: Lsn(17) };
        for other in ["1-17-2a.parquet", "lock", &format!("{name}.a.tmp"), &backwards.named(1)] {
            assert_eq!(SealedLog::parse(other), None, "{other}");
        }
    }
}
