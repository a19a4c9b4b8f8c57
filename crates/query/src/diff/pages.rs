//! Which rows of two runs of parts are equal, as far as leaves and single columns tell: what is left
//! has to be read row by row.
//!
//! Pages of a column are cut by its values, so those around an edit are the same leaves on both
//! sides. Where the leaves of a column do not tell, since it is small or a page of it holds a great
//! many rows, its values are compared, but only in line with what another column has in common.
//! Finding less than there is costs time and nothing else.

use std::ops::Range;

use arrow::array::{Array as _, ArrayRef};
use cidlake_block::unixfs::LeafSpan;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use xxhash_rust::xxh3::xxh3_128;

use super::align::{Gap, Piece, Same, gaps, joined, same_rows, shared, without};
use super::columns::Common;
use super::parts::{Placed, Run, Selected};
use super::read::Side;
use crate::error::QueryError;
use crate::part_files::OpenFile;

/// Values that are compared at a time; fewer are not worth a look of their own.
const STEP_ROWS: u64 = 1024;

/// Two versions, and what they are compared by.
#[derive(Debug)]
pub(super) struct Sides<'a> {
    pub(super) a: Side<'a>,
    pub(super) b: Side<'a>,
    pub(super) common: Vec<Common>,
}

/// From which end values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

impl Sides<'_> {
    /// Returns the rows of a run that are not known to be equal.
    pub(super) async fn unequal(
        &self,
        run: &Run,
    ) -> Result<(Vec<Selected>, Vec<Selected>), QueryError> {
        let (a_rows, b_rows) = (rows_of(&run.a), rows_of(&run.b));
        if a_rows == 0 || b_rows == 0 {
            let (of_a, of_b) = (0..a_rows, 0..b_rows);
            let selected = |parts, rows| selected(parts, std::slice::from_ref(rows));
            return Ok((selected(&run.a, &of_a), selected(&run.b, &of_b)));
        }
        let mut columns = Vec::with_capacity(self.common.len());
        for (column, common) in self.common.iter().enumerate() {
            columns.push((column, self.same_leaves(run, common).await?));
        }
        let known = |same: &[Same]| same.iter().map(|same| same.rows).sum::<u64>();
        // What most rows say about where the others stand is tried with the other columns.
        columns.sort_by_key(|(_, same)| std::cmp::Reverse(known(same)));
        let lines = columns.first().map(|(_, same)| same.clone()).unwrap_or_default();
        let (even, odd): (Vec<Gap>, Vec<Gap>) =
            gaps(&lines, a_rows, b_rows).into_iter().partition(is_even);
        let filled = even.iter().map(|gap| Same { a: gap.a.start, b: gap.b.start, rows: len(gap) });
        let mut same = lines.into_iter().chain(filled).collect::<Vec<Same>>();
        same.sort_by_key(|same| same.a);
        let mut same = joined(same);
        for (column, leaves) in &columns {
            let told = shared(&same, leaves);
            let open = without(&same, &told);
            let mut found = self.same_values(run, *column, &open).await?;
            found.extend(told);
            found.sort_by_key(|same| same.a);
            same = joined(found);
        }
        for gap in &odd {
            same.extend(self.same_ends(run, gap).await?);
        }
        same.sort_by_key(|same| same.a);
        let left = gaps(&same, a_rows, b_rows);
        let (a, b): (Vec<_>, Vec<_>) = left.into_iter().map(|gap| (gap.a, gap.b)).unzip();
        Ok((selected(&run.a, &a), selected(&run.b, &b)))
    }

    /// Returns the rows for which a column has the same leaves on both sides.
    async fn same_leaves(&self, run: &Run, common: &Common) -> Result<Vec<Same>, QueryError> {
        if !common.is_stored_alike {
            return Ok(Vec::new());
        }
        let a = pieces(&self.a, &run.a, common.a).await?;
        let b = pieces(&self.b, &run.b, common.b).await?;
        if a.len() != b.len() {
            return Ok(Vec::new());
        }
        let mut each = a.iter().zip(&b).map(|(a, b)| same_rows(a, b));
        let first = each.next().unwrap_or_default();
        Ok(each.fold(first, |all, one| shared(&all, &one)))
    }

    /// Returns the rows of `open` for which a column has the same values on both sides.
    async fn same_values(
        &self,
        run: &Run,
        column: usize,
        open: &[Same],
    ) -> Result<Vec<Same>, QueryError> {
        let pieces = open.iter().flat_map(|open| within_parts(open, run));
        let pieces: Vec<Same> = pieces.filter(|piece| piece.rows >= STEP_ROWS).collect();
        let places = |piece: &Same| (place_of(&run.a, piece.a), place_of(&run.b, piece.b));
        let mut same = Vec::new();
        // What is in the same parts is read at once, so that no page is decoded twice.
        for pieces in pieces.chunk_by(|one, next| places(one) == places(next)) {
            let (a, b) = self.values(run, column, pieces).await?;
            let mut start = 0;
            for piece in pieces {
                let rows = usize::try_from(piece.rows).map_err(QueryError::internal)?;
                let steps = equal_steps(&a.slice(start, rows), &b.slice(start, rows));
                let found =
                    |step: Range<u64>| piece.between(piece.a + step.start, piece.a + step.end);
                same.extend(steps.into_iter().map(found));
                start += rows;
            }
        }
        Ok(joined(same))
    }

    /// Returns the rows at both ends of a gap that are equal in all columns.
    async fn same_ends(&self, run: &Run, gap: &Gap) -> Result<Vec<Same>, QueryError> {
        let front = Same { a: gap.a.start, b: gap.b.start, rows: len(gap) };
        let front = self.same_end(run, front, End::Front).await?;
        let rows = len(gap) - front.rows;
        let back = Same { a: gap.a.end - rows, b: gap.b.end - rows, rows };
        let back = self.same_end(run, back, End::Back).await?;
        Ok([front, back].into_iter().filter(|same| same.rows > 0).collect())
    }

    /// Cuts rows down to those at one end that are equal in all columns.
    async fn same_end(&self, run: &Run, mut same: Same, end: End) -> Result<Same, QueryError> {
        for column in 0..self.common.len() {
            let mut pieces = within_parts(&same, run);
            if end == End::Back {
                pieces.reverse();
            }
            let mut rows = 0;
            for piece in pieces {
                let equal = match piece.rows < STEP_ROWS {
                    true => 0,
                    false => {
                        let (a, b) = self.values(run, column, &[piece]).await?;
                        equal_rows(&a, &b, end)
                    }
                };
                rows += equal;
                if equal < piece.rows {
                    break;
                }
            }
            same = match end {
                End::Front => same.between(same.a, same.a + rows),
                End::Back => same.between(same.end() - rows, same.end()),
            };
        }
        Ok(same)
    }

    /// Reads the values of a column in rows that rise and are in one part on each side.
    async fn values(
        &self,
        run: &Run,
        column: usize,
        rows: &[Same],
    ) -> Result<(ArrayRef, ArrayRef), QueryError> {
        let a = rows.iter().map(|same| same.a..same.end()).collect::<Vec<Range<u64>>>();
        let b = rows.iter().map(|same| same.b..same.b + same.rows).collect::<Vec<Range<u64>>>();
        let missing = || QueryError::internal("rows of several parts were asked for at once");
        let (mut of_a, mut of_b) = (selected(&run.a, &a), selected(&run.b, &b));
        let (a, b) = of_a.pop().zip(of_b.pop()).ok_or_else(missing)?;
        if !of_a.is_empty() || !of_b.is_empty() {
            return Err(missing());
        }
        Ok((self.a.column(&a, column).await?, self.b.column(&b, column).await?))
    }
}

fn rows_of(parts: &[Placed]) -> u64 {
    parts.iter().map(|placed| placed.part.rows).sum()
}

/// Returns how many rows both sides of a gap have at least.
fn len(gap: &Gap) -> u64 {
    (gap.a.end - gap.a.start).min(gap.b.end - gap.b.start)
}

fn is_even(gap: &Gap) -> bool {
    gap.a.end - gap.a.start == gap.b.end - gap.b.start
}

/// Returns which part of a run holds a row.
fn place_of(parts: &[Placed], row: u64) -> Option<usize> {
    let mut end = 0;
    parts.iter().position(|placed| {
        end += placed.part.rows;
        row < end
    })
}

/// Cuts rows where a part ends on either side.
fn within_parts(same: &Same, run: &Run) -> Vec<Same> {
    let mut cuts = vec![same.a, same.end()];
    let mut end = 0;
    for placed in &run.a {
        end += placed.part.rows;
        cuts.push(end);
    }
    end = 0;
    for placed in &run.b {
        end += placed.part.rows;
        // Where that is on the other side; before it or behind it goes away below.
        cuts.extend(end.checked_sub(same.b).map(|rows| same.a + rows));
    }
    cuts.retain(|cut| (same.a..=same.end()).contains(cut));
    cuts.sort_unstable();
    cuts.dedup();
    let pairs = cuts.iter().zip(cuts.iter().skip(1));
    pairs.map(|(start, end)| same.between(*start, *end)).collect()
}

/// Returns what of each part is in ranges of rows of a run, which rise.
fn selected(parts: &[Placed], ranges: &[Range<u64>]) -> Vec<Selected> {
    let mut start = 0;
    let mut out = Vec::new();
    for placed in parts {
        let end = start + placed.part.rows;
        let inside = ranges.iter().map(|range| range.start.max(start)..range.end.min(end));
        let inside = inside.filter(|range| range.start < range.end);
        let ranges: Vec<Range<u64>> =
            inside.map(|range| range.start - start..range.end - start).collect();
        if !ranges.is_empty() {
            out.push(Selected { placed: placed.clone(), ranges });
        }
        start = end;
    }
    out
}

/// Returns the rows of two arrays of one length that are equal, in steps.
fn equal_steps(a: &ArrayRef, b: &ArrayRef) -> Vec<Range<u64>> {
    let equal = steps(a.len()).filter(|step| is_equal(a, b, step));
    equal.map(|step| step.start as u64..step.end as u64).collect()
}

/// Returns how many rows of two arrays of one length are equal at one end, in steps.
fn equal_rows(a: &ArrayRef, b: &ArrayRef, end: End) -> u64 {
    let mut steps: Vec<Range<usize>> = steps(a.len()).collect();
    if end == End::Back {
        steps.reverse();
    }
    let equal = steps.into_iter().take_while(|step| is_equal(a, b, step));
    equal.map(|step| step.len() as u64).sum()
}

fn steps(len: usize) -> impl Iterator<Item = Range<usize>> {
    let step = STEP_ROWS as usize;
    (0..len).step_by(step).map(move |start| start..len.min(start + step))
}

fn is_equal(a: &ArrayRef, b: &ArrayRef, rows: &Range<usize>) -> bool {
    a.slice(rows.start, rows.len()) == b.slice(rows.start, rows.len())
}

/// Returns the pieces of each column of the file format that a column of a table is stored in; none
/// where it is folders.
async fn pieces(
    side: &Side<'_>,
    parts: &[Placed],
    column: usize,
) -> Result<Vec<Vec<Piece<u128>>>, QueryError> {
    let mut out: Vec<Vec<Piece<u128>>> = Vec::new();
    let Some(column) = side.place_in_files(column) else { return Ok(out) };
    for placed in parts {
        let open = side.open(placed).await?;
        let described = open.metadata.file_metadata().schema_descr_ptr();
        let inside = (0..described.num_columns())
            .filter(|inside| described.get_column_root_idx(*inside) == column);
        for (place, inside) in inside.enumerate() {
            let mut pieces = chunk_pieces(side, placed, &open, inside).await?;
            match out.get_mut(place) {
                Some(before) => before.append(&mut pieces),
                None => out.push(pieces),
            }
        }
    }
    Ok(out)
}

/// Returns the pieces of one column chunk; where it cannot be told apart, one that no other equals.
async fn chunk_pieces(
    side: &Side<'_>,
    placed: &Placed,
    open: &OpenFile,
    column: usize,
) -> Result<Vec<Piece<u128>>, QueryError> {
    let whole = Piece { id: xxh3_128(&placed.part.cid.to_bytes()), rows: placed.part.rows };
    let group = open.metadata.row_groups().first();
    let chunk = group.and_then(|group| group.columns().get(column));
    let pages = open.metadata.offset_index().and_then(|groups| groups.first());
    let pages = pages.and_then(|columns| columns.get(column)).map(|index| index.page_locations());
    let (Some(chunk), Some(pages)) = (chunk, pages) else { return Ok(vec![whole]) };
    let (start, bytes) = chunk.byte_range();
    let leaves = open.file.leaves_in(&(start..start + bytes));
    if leaves.first().is_none_or(|leaf| leaf.offset != start) {
        return Ok(vec![whole]);
    }
    let mut setting = format!("{:?} {:?}", chunk.compression_codec(), chunk.column_type());
    if let Some((dictionary, first)) = chunk.dictionary_page_offset().zip(pages.first()) {
        // Pages of one dictionary mean something else under another.
        let range = dictionary.unsigned_abs()..first.offset.unsigned_abs();
        let bytes = open.file.read(side.files().blocks().as_ref(), range).await?;
        setting.push_str(&format!(" {:032x}", xxh3_128(&bytes)));
    }
    let told = leaf_pieces(&setting, chunk, leaves, pages, placed.part.rows);
    Ok(told.unwrap_or_else(|| vec![whole]))
}

/// Returns a piece for every run of leaves that begins and ends with a page; `None` where the leaves
/// were not cut so.
fn leaf_pieces(
    setting: &str,
    chunk: &ColumnChunkMetaData,
    leaves: &[LeafSpan],
    pages: &[PageLocation],
    rows: u64,
) -> Option<Vec<Piece<u128>>> {
    let (start, bytes) = chunk.byte_range();
    let mut pieces = Vec::with_capacity(leaves.len());
    let mut id = setting.as_bytes().to_vec();
    let (mut first_row, mut end) = (0, start);
    for leaf in leaves {
        id.extend_from_slice(&leaf.cid.to_bytes());
        end = leaf.offset + leaf.len;
        let next = pages.partition_point(|page| page.offset.unsigned_abs() < end);
        let next_row = match pages.get(next) {
            Some(page) if page.offset.unsigned_abs() != end => continue,
            Some(page) => u64::try_from(page.first_row_index).ok()?,
            None if end < start + bytes => continue,
            None => rows,
        };
        let rows = next_row.checked_sub(first_row)?;
        if rows > 0 {
            pieces.push(Piece { id: xxh3_128(&id), rows });
        }
        first_row = next_row;
        id.truncate(setting.len());
    }
    (end == start + bytes && first_row == rows).then_some(pieces)
}

#[cfg(test)]
mod tests;
