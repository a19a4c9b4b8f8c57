//! The index between processes: its tables as files that maintenance writes, and reads of them.
//!
//! A snapshot is a file for each table and one, written last, that says what the rows of each dataset
//! were made of. Whatever else the log says since is made up for by looking which datasets differ.
//! A snapshot that is damaged, or of an older form, is passed over.

use std::sync::{Arc, PoisonError};

use cidlake_catalog::Name;
use cidlake_query::arrow::array::{AsArray as _, BinaryArray};
use cidlake_query::arrow::datatypes::{SchemaRef, UInt64Type};
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::{DerivedWriter, QueryError, read_derived};
use cidlake_store::{Lsn, Store};

use super::rows::{RowRanges, Table, Tables, batch, numbers, texts};
use super::{Index, Place};
use crate::error::Error;
use crate::lake::Inner;

/// The word of the file that is written last.
const MARKS: &str = "marks";
/// The form of the tables: others are not read.
const FORM: u32 = 1;

impl Inner {
    /// Writes a snapshot of the index, unless there is one of the same record, and removes older ones.
    /// Returns whether there is a new one.
    pub(crate) fn snapshot_index(&self) -> Result<bool, Error> {
        drop(self.indexed()?);
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = index.seen else { return Ok(false) };
        let names = self.store.derived_names()?;
        let is_there = |lsn: u64| lsn >= seen.0 && read(&self.store, &names, Lsn(lsn)).is_some();
        if newest(&names).is_some_and(is_there) {
            return Ok(false);
        }
        index.join()?;
        let mut written = Vec::new();
        if let Some(piece) = index.pieces.first() {
            for table in Table::ALL {
                let stem = stem(seen, table.word());
                written.push(self.write_rows(&stem, piece.tables.of(table))?);
            }
            written.push(self.write_rows(&stem(seen, MARKS), &marks(&index.places)?)?);
        }
        let is_old = |name: &&String| {
            lsn_in(name).is_some_and(|lsn| lsn <= seen.0) && !written.contains(*name)
        };
        for old in names.iter().filter(is_old) {
            self.store.remove_derived(old)?;
        }
        Ok(!written.is_empty())
    }

    fn write_rows(&self, stem: &str, rows: &RecordBatch) -> Result<String, Error> {
        let mut writer = DerivedWriter::new(rows.schema_ref())?;
        writer.write(rows)?;
        Ok(self.store.write_derived(stem, &writer.finish()?)?)
    }
}

impl Index {
    /// Takes over the newest snapshot that is sound.
    pub(super) fn load(&mut self, store: &Store) {
        let Ok(names) = store.derived_names() else { return };
        let mut lsns: Vec<u64> = names.iter().filter_map(|name| lsn_in(name)).collect();
        lsns.sort_unstable();
        lsns.dedup();
        for lsn in lsns.into_iter().rev() {
            if let Some((tables, places)) = read(store, &names, Lsn(lsn)) {
                self.places = places;
                self.add_piece(tables);
                return;
            }
        }
    }
}

/// Reads a snapshot; none where it is not whole.
fn read(store: &Store, names: &[String], lsn: Lsn) -> Option<(Tables, Vec<(Name, Place)>)> {
    let rows = |word: &str, schema: SchemaRef| {
        let stem = format!("{}-", stem(lsn, word));
        let name = names.iter().find(|name| name.starts_with(&stem))?;
        let bytes = store.read_derived(name).ok()??;
        read_derived(name, bytes, &schema).ok()
    };
    let places = places(&rows(MARKS, marks(&[]).ok()?.schema())?)?;
    // Each table in a thread of its own: most of the time goes into decoding them.
    let [commits, parts, columns] = std::thread::scope(|scope| {
        let tables =
            Table::ALL.map(|table| scope.spawn(move || rows(table.word(), table.schema())));
        tables.map(|table| table.join().ok().flatten())
    });
    let tables = Tables::new([commits?, parts?, columns?]);
    let is_whole = |at: usize, table: Table| {
        let end = places.last().map(|(_, place): &(Name, Place)| place.rows[at].end).unwrap_or(0);
        end == tables.of(table).num_rows()
    };
    let all = Table::ALL.into_iter().enumerate();
    all.into_iter().all(|(at, table)| is_whole(at, table)).then_some(())?;
    Some((tables, places))
}

/// Returns how many rows each dataset has in each table, and what they were made of.
fn marks(places: &[(Name, Place)]) -> Result<RecordBatch, QueryError> {
    let names: Vec<String> = places.iter().map(|(name, _)| name.to_string()).collect();
    let count = |table: Table| {
        numbers(places.iter().map(|(_, place)| {
            let rows = &place.rows[table as usize];
            Some((rows.end - rows.start) as u64)
        }))
    };
    let marks: BinaryArray = places.iter().map(|(_, place)| Some(place.mark.as_slice())).collect();
    batch(vec![
        ("dataset", texts(names.iter().map(|name| Some(name.as_str())))),
        ("mark", Arc::new(marks)),
        ("commits", count(Table::Commits)),
        ("parts", count(Table::Parts)),
        ("columns", count(Table::Columns)),
    ])
}

fn places(marks: &RecordBatch) -> Option<Vec<(Name, Place)>> {
    let names = marks["dataset"].as_string::<i32>();
    let of = marks["mark"].as_binary::<i32>();
    let counts = Table::ALL.map(|table| marks[table.word()].as_primitive::<UInt64Type>());
    let mut next = [0_usize; Table::ALL.len()];
    let mut places: Vec<(Name, Place)> = Vec::with_capacity(marks.num_rows());
    for row in 0..marks.num_rows() {
        let mut rows: RowRanges = [0..0, 0..0, 0..0];
        for ((rows, next), counts) in rows.iter_mut().zip(&mut next).zip(counts) {
            let end = next.checked_add(usize::try_from(counts.value(row)).ok()?)?;
            *rows = *next..end;
            *next = end;
        }
        let place = Place { piece: 0, rows, mark: of.value(row).to_vec() };
        places.push((Name::parse(names.value(row)).ok()?, place));
    }
    places.is_sorted_by(|(a, _), (b, _)| a < b).then_some(places)
}

fn stem(lsn: Lsn, word: &str) -> String {
    format!("{:020}-{word}-v{FORM}", lsn.0)
}

/// Returns the record in the name of a file of a snapshot.
fn lsn_in(name: &str) -> Option<u64> {
    name.get(..20)?.parse().ok()
}

/// Returns the record of the newest snapshot that is complete by its names.
fn newest(names: &[String]) -> Option<u64> {
    let complete = format!("-{MARKS}-v{FORM}-");
    names.iter().filter(|name| name.contains(&complete)).filter_map(|name| lsn_in(name)).max()
}
