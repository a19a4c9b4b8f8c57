//! The index: what is known of all datasets, versions, parts and columns, as columns in memory.
//!
//! It is derived from the view and the blocks that it names, and made again wherever it is missing:
//! nothing rests on it. It is brought up to date when somebody asks, and does anew only what is said
//! of datasets that changed. `rows` are its tables, `gather` makes the rows of one dataset,
//! `snapshot` keeps it between processes, `by_cid` finds rows by an address, `condition` and `find`
//! those that somebody looks for.

mod by_cid;
mod condition;
mod find;
mod gather;
mod rows;
mod snapshot;

pub use self::condition::FindCondition;
pub use self::find::{FindRequest, FoundKind, FoundObject};

pub(crate) use self::rows::{Table, batch, maps, numbers, texts};

use self::rows::{RowRanges, Tables};

use std::ops::Range;
use std::sync::{Arc, MutexGuard, PoisonError};

use cidlake_catalog::Name;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_store::Lsn;

use self::by_cid::ByCid;
use self::gather::{Dataset, Gathered};
use crate::error::Error;
use crate::lake::{Inner, View};

/// How many pieces there may be before they are joined.
const PIECES_MAX: usize = 64;
/// So many rows that do not count are no reason to join them.
const ROWS_DEAD_MIN: usize = 10_000;
/// How many datasets are gathered at a time.
const DATASETS_AT_ONCE: usize = 1_024;

/// The index as far as it was brought up to date.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Whether a snapshot was looked for.
    is_loaded: bool,
    /// The record up to which it is what the log says; none before the first look.
    seen: Option<Lsn>,
    pieces: Vec<Arc<Piece>>,
    /// Where the rows of each dataset are, by name.
    places: Vec<(Name, Place)>,
    /// All rows that count, by name: made when they are asked for.
    published: Option<Arc<Published>>,
}

/// Rows that were made together.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) tables: Tables,
    by_cid: ByCid,
}

/// Where the rows of a dataset are, and what they were made of.
#[derive(Clone, Debug)]
struct Place {
    piece: usize,
    rows: RowRanges,
    /// What the rows depend on: [`Dataset::mark`].
    mark: Vec<u8>,
}

/// The tables as they are asked for: runs of rows of pieces, in the order of names.
#[derive(Debug)]
pub(crate) struct Published {
    runs: Vec<(Arc<Piece>, RowRanges)>,
}

impl Published {
    /// Returns the rows of a table, which are not copied.
    pub(crate) fn batches(&self, table: Table) -> Vec<RecordBatch> {
        let runs = self.runs.iter().map(|(piece, rows)| {
            let Range { start, end } = rows[table as usize].clone();
            piece.tables.of(table).slice(start, end - start)
        });
        runs.filter(|rows| rows.num_rows() > 0).collect()
    }

    /// Returns the rows of a table whose address, in whatever column, is this one.
    pub(crate) fn with_cid(&self, table: Table, cid: &str) -> Result<Vec<RecordBatch>, Error> {
        let mut found = Vec::new();
        for (piece, rows) in &self.runs {
            let range = &rows[table as usize];
            found.extend(piece.by_cid.rows(&piece.tables, table, cid, range)?);
        }
        Ok(found)
    }
}

impl Inner {
    /// Returns the index of what the view is now.
    pub(crate) fn indexed(&self) -> Result<Arc<Published>, Error> {
        // What is read for it stays meanwhile.
        let _hold = self.hold()?;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if !index.is_loaded {
            index.is_loaded = true;
            index.load(&self.store);
        }
        let datasets = {
            let view = self.refresh()?;
            if index.seen == Some(view.last)
                && !index.is_partial()
                && let Some(published) = &index.published
            {
                return Ok(Arc::clone(published));
            }
            index.seen = Some(view.last);
            datasets(view)
        };
        // Where it fails half way the next look goes on.
        index.catch_up(self, datasets).inspect_err(|_| index.seen = None)?;
        Ok(index.publish())
    }

    /// Forgets the index, so that it is made anew.
    #[cfg(test)]
    pub(crate) fn forget_index(&self) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        *index = Index { is_loaded: true, ..Index::default() };
    }
}

/// Returns what the view says of every dataset, by name.
fn datasets(view: MutexGuard<'_, View>) -> Vec<(Name, Dataset)> {
    let entries = view.catalog.datasets().into_iter();
    let mut datasets: Vec<(Name, Dataset)> = entries
        .map(|entry| {
            let oldest = view.expired.get(&entry.name).copied();
            (entry.name.clone(), Dataset::new(&entry, oldest))
        })
        .collect();
    datasets.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for entry in view.catalog.all_tags() {
        if let Ok(at) = datasets.binary_search_by(|(name, _)| name.cmp(&entry.name)) {
            datasets[at].1.add_tag(&entry);
        }
    }
    datasets
}

impl Index {
    /// Makes the rows of datasets that changed, and lets go of those that are gone.
    fn catch_up(&mut self, inner: &Inner, datasets: Vec<(Name, Dataset)>) -> Result<(), Error> {
        self.published = None;
        let changed = self.changed(datasets);
        for group in changed.chunks(DATASETS_AT_ONCE) {
            let mut gathered = Gathered::default();
            for (name, dataset) in group {
                let before = self.place(name).ok().map(|at| self.before(&self.places[at].1));
                gathered.add(inner, name, dataset, before)?;
            }
            let (tables, rows) = gathered.finish()?;
            let piece = self.add_piece(tables);
            let mut new = Vec::new();
            for ((name, dataset), rows) in group.iter().zip(rows) {
                let (rows, is_partial) = rows;
                // What may come later is looked for each time: no dataset has this mark.
                let mark = if is_partial { Vec::new() } else { dataset.mark() };
                let place = Place { piece, rows, mark };
                match self.place(name) {
                    Ok(at) => self.places[at].1 = place,
                    Err(_) => new.push((name.clone(), place)),
                }
            }
            if !new.is_empty() {
                // Two runs that are in order each, which is what this sort is quick at.
                self.places.append(&mut new);
                self.places.sort_by(|(a, _), (b, _)| a.cmp(b));
            }
            if self.pieces.len() > PIECES_MAX || self.is_mostly_dead() {
                self.join()?;
            }
        }
        Ok(())
    }

    /// Returns whether the rows of some dataset may change although nothing is said of it: a version
    /// that it stands on is not here.
    fn is_partial(&self) -> bool {
        self.places.iter().any(|(_, place)| place.mark.is_empty())
    }

    /// Returns whether pieces have more rows that do not count than rows that do.
    fn is_mostly_dead(&self) -> bool {
        let commits = Table::Commits as usize;
        let held: usize =
            self.pieces.iter().map(|piece| piece.tables.of(Table::Commits).num_rows()).sum();
        let live: usize = self.places.iter().map(|(_, place)| place.rows[commits].len()).sum();
        held > 2 * live + ROWS_DEAD_MIN
    }

    /// Returns where the place of a dataset is, or would be.
    fn place(&self, name: &Name) -> Result<usize, usize> {
        self.places.binary_search_by(|(known, _)| known.cmp(name))
    }

    /// Lets go of datasets that are gone, and returns those whose rows are not what they would be now.
    /// Both are in the order of names, so they are gone through side by side.
    fn changed(&mut self, datasets: Vec<(Name, Dataset)>) -> Vec<(Name, Dataset)> {
        let mut changed = Vec::new();
        let mut known = std::mem::take(&mut self.places).into_iter().peekable();
        let mut mark = Vec::new();
        for (name, dataset) in datasets {
            while known.next_if(|(other, _)| *other < name).is_some() {}
            mark.clear();
            dataset.write_mark(&mut mark);
            let before = known.next_if(|(other, _)| *other == name);
            if before.as_ref().is_none_or(|(_, place)| place.mark != mark) {
                changed.push((name, dataset));
            }
            self.places.extend(before);
        }
        changed
    }

    fn add_piece(&mut self, tables: Tables) -> usize {
        self.pieces.push(Arc::new(Piece { tables, by_cid: ByCid::default() }));
        self.pieces.len() - 1
    }

    /// Returns the commits of a dataset as they were, and what they were made of.
    fn before(&self, place: &Place) -> (RecordBatch, Vec<u8>) {
        let Range { start, end } = place.rows[Table::Commits as usize].clone();
        let commits = self.pieces[place.piece].tables.of(Table::Commits);
        (commits.slice(start, end - start), place.mark.clone())
    }

    /// Returns the rows that count.
    fn publish(&mut self) -> Arc<Published> {
        if let Some(published) = &self.published {
            return Arc::clone(published);
        }
        let mut runs: Vec<(usize, RowRanges)> = Vec::new();
        for (_, place) in &self.places {
            match runs.last_mut() {
                Some((piece, rows)) if *piece == place.piece && goes_on(rows, &place.rows) => {
                    for (run, more) in rows.iter_mut().zip(&place.rows) {
                        run.end = more.end;
                    }
                }
                _ => runs.push((place.piece, place.rows.clone())),
            }
        }
        let runs = runs.into_iter().map(|(piece, rows)| (Arc::clone(&self.pieces[piece]), rows));
        let published = Arc::new(Published { runs: runs.collect() });
        self.published = Some(Arc::clone(&published));
        published
    }

    /// Makes one piece of all rows that count.
    fn join(&mut self) -> Result<(), Error> {
        self.published = None;
        let published = self.publish();
        let tables = Tables::joined(|table| published.batches(table))?;
        self.published = None;
        let mut next = [0; Table::ALL.len()];
        for (_, place) in &mut self.places {
            place.piece = 0;
            for (rows, next) in place.rows.iter_mut().zip(&mut next) {
                let len = rows.end - rows.start;
                *rows = *next..*next + len;
                *next += len;
            }
        }
        self.pieces.clear();
        self.add_piece(tables);
        Ok(())
    }
}

/// Returns whether rows of all tables follow others.
fn goes_on(run: &RowRanges, more: &RowRanges) -> bool {
    run.iter().zip(more).all(|(run, more)| run.end == more.start)
}

#[cfg(test)]
mod tests;
