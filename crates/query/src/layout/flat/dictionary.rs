//! Numbers the values of a column chunk, each value once, and keeps the dictionary of them.
//!
//! Where every value is common the numbers follow the order of the values, else the order in which
//! they first come: see [`super::super::dictionary`] for why.

use parquet::basic::SortOrder;
use parquet::schema::types::ColumnDescriptor;

use super::super::chunk::DICTIONARY_BYTES;
use super::super::dictionary::COMMON;
use super::bounds::compare;
use super::values::Values;

/// Places in a new table; a power of two.
const PLACES: usize = 1 << 10;
/// Stands in places that are free.
const FREE: u32 = u32::MAX;

/// The dictionary of a column chunk.
#[derive(Debug)]
pub(super) struct Dictionary {
    /// The number of each value.
    pub(super) numbers: Vec<u32>,
    /// Of each number, a place where its value is.
    pub(super) entries: Vec<usize>,
    /// Whether the numbers follow the order of the values.
    pub(super) is_sorted: bool,
}

/// The numbers given so far, found by hash.
struct Table {
    /// Numbers, at places that follow from hashes; a power of two of them.
    places: Vec<u32>,
    /// Of each number, the hash, a place where its value is, and how often it came.
    known: Vec<(u64, usize, u32)>,
}

impl Dictionary {
    /// Numbers `values`, which have these hashes; none where the dictionary would be too large.
    pub(super) fn build(
        values: &Values,
        hashes: &[u64],
        described: &ColumnDescriptor,
    ) -> Option<Self> {
        let mut table = Table { places: vec![FREE; PLACES], known: Vec::new() };
        let mut bytes = 0;
        let mut numbers = Vec::with_capacity(hashes.len());
        for (index, hash) in hashes.iter().enumerate() {
            let known = table.known.len();
            numbers.push(table.number_of(values, *hash, index)?);
            if table.known.len() > known {
                bytes += values.plain_bytes(index);
                if bytes > DICTIONARY_BYTES {
                    return None;
                }
            }
        }
        let is_sorted = table.known.iter().all(|(_, _, count)| *count as usize >= COMMON);
        let entries = table.known.iter().map(|(_, index, _)| *index).collect();
        let mut dictionary = Self { numbers, entries, is_sorted };
        if is_sorted {
            dictionary.sort(values, described.sort_order());
        }
        Some(dictionary)
    }

    fn sort(&mut self, values: &Values, order: SortOrder) {
        let mut sorted: Vec<(u32, usize)> = (0..).zip(self.entries.iter().copied()).collect();
        sorted.sort_unstable_by(|(_, one), (_, other)| compare(values, order, *one, *other));
        let mut renumbered = vec![0; sorted.len()];
        for (new, (old, _)) in (0..).zip(&sorted) {
            if let Some(number) = renumbered.get_mut(*old as usize) {
                *number = new;
            }
        }
        for number in &mut self.numbers {
            *number = renumbered.get(*number as usize).copied().unwrap_or_default();
        }
        self.entries = sorted.into_iter().map(|(_, index)| index).collect();
    }
}

impl Table {
    /// Returns the number of the value at `index`, a new one where it was not met before; none
    /// where there are no more.
    fn number_of(&mut self, values: &Values, hash: u64, index: usize) -> Option<u32> {
        let mask = self.places.len() - 1;
        // The upper bits are the better ones.
        let mut place = (hash >> 32) as usize & mask;
        loop {
            let number = *self.places.get(place)?;
            let Some((known, at, count)) = self.known.get_mut(number as usize) else { break };
            if *known == hash && values.equal(*at, index) {
                *count = count.saturating_add(1);
                return Some(number);
            }
            place = (place + 1) & mask;
        }
        let number = u32::try_from(self.known.len()).ok().filter(|number| *number < FREE)?;
        self.known.push((hash, index, 1));
        *self.places.get_mut(place)? = number;
        if self.known.len() * 2 > self.places.len() {
            self.grow();
        }
        Some(number)
    }

    fn grow(&mut self) {
        let mask = self.places.len() * 2 - 1;
        self.places = vec![FREE; mask + 1];
        for (number, (hash, _, _)) in (0..).zip(&self.known) {
            let mut place = (hash >> 32) as usize & mask;
            while self.places.get(place).is_some_and(|other| *other != FREE) {
                place = (place + 1) & mask;
            }
            if let Some(free) = self.places.get_mut(place) {
                *free = number;
            }
        }
    }
}
