//! From rows to parts: rows are cut into row groups in order, encoded on all threads and put in
//! order. The number of row groups in memory is bounded. Nothing is named here: what comes of an
//! operation that fails half way is blocks that garbage collection may take.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use cidlake_catalog::Part;
use cidlake_query::arrow::datatypes::SchemaRef;
use cidlake_query::arrow::record_batch::RecordBatch;
use cidlake_query::layout::{self, CutRule, EncodedPart, Partitioning, RowGroup};
use cidlake_store::Hold;

use crate::error::Error;
use crate::lake::Inner;
use crate::progress::{Progress, ProgressEvent, Unit};

/// Row groups that are encoded at once; more threads than that work at the columns of one.
const WORKERS_MAX: usize = 2;

/// Rows on their way in.
pub(crate) struct Incoming<'a> {
    /// The schema of every batch, in the user's types.
    pub(crate) schema: SchemaRef,
    /// The rows, in order.
    pub(crate) batches: Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send + 'a>,
    /// How many rows there will be, where that is known.
    pub(crate) rows_total: Option<u64>,
    /// Bytes of all input, where they are known.
    pub(crate) bytes_total: Option<u64>,
    /// Bytes of input read so far, where `bytes_total` is known.
    pub(crate) bytes_read: Box<dyn Fn() -> u64 + Send + Sync + 'a>,
}

impl Inner {
    /// Cuts, encodes and puts all rows, which come in the order of their partitions where there are
    /// any; returns the parts in row order and the bytes newly written.
    pub(crate) fn store_rows(
        &self,
        hold: &Hold,
        rows: Incoming<'_>,
        rule: CutRule,
        progress: &Progress,
    ) -> Result<(Vec<Part>, u64), Error> {
        self.store_rows_again(hold, rows, rule, &StoredParts::new(), progress)
    }

    /// As [`Self::store_rows`], of rows of which some are stored: where a row group turns out to be
    /// one of `stored`, that part is taken and nothing is encoded.
    pub(crate) fn store_rows_again(
        &self,
        hold: &Hold,
        rows: Incoming<'_>,
        rule: CutRule,
        stored: &StoredParts,
        progress: &Progress,
    ) -> Result<(Vec<Part>, u64), Error> {
        let threads = self.settings.threads;
        let partitioning = Partitioning::new(&rows.schema, &rule.partition_columns)?;
        let mut groups = Groups::new(rows, rule, progress)?;
        let Some(first) = groups.next().transpose()? else { return Ok((Vec::new(), 0)) };
        if !groups.is_done() {
            return self.store_groups(hold, (first, groups), stored, &partitioning);
        }
        // For one row group, starting threads may take longer than all that they do.
        let placed = Placed { index: 0, start: 0, group: first };
        let encoded = unless_panics(&placed, |group| part(group, stored, &partitioning, threads))?;
        let new_bytes = self.put_part(hold, &encoded)?;
        Ok((vec![encoded.part], new_bytes))
    }

    /// Encodes and puts several row groups at once.
    fn store_groups(
        &self,
        hold: &Hold,
        (first, groups): (RowGroup, Groups<'_>),
        stored: &StoredParts,
        partitioning: &Partitioning,
    ) -> Result<(Vec<Part>, u64), Error> {
        let threads = self.settings.threads;
        let workers = threads.min(WORKERS_MAX);
        let busy = Busy { threads, workers: AtomicUsize::new(0) };
        // As many row groups are on their way as there are permits, wherever they are: that
        // bounds memory. They come back when a part is put.
        let permits = workers + 1;
        let (permits_in, permits_out) = sync_channel(permits);
        let (groups_in, groups_out) = sync_channel(permits);
        let (parts_in, parts_out) = sync_channel(permits);
        let groups_out = Mutex::new(groups_out);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let parts_in = parts_in.clone();
                let (waiting, stop, busy) = (&groups_out, &stop, &busy);
                scope.spawn(move || {
                    encode_all(waiting, &parts_in, stop, |group| {
                        busy.with_share(|threads| part(group, stored, partitioning, threads))
                    });
                });
            }
            drop(parts_in);
            let stop = &stop;
            let putter = scope.spawn(move || {
                (0..permits).for_each(|_| permits_in.send(()).unwrap_or_default());
                let result = self.put_all(hold, &parts_out, &permits_in);
                stop.store(true, Ordering::Relaxed);
                // Drained, so that no encoder waits for room that will not come.
                while parts_out.recv().is_ok() {}
                result
            });
            let groups = std::iter::once(Ok(first)).chain(groups);
            let cut = hand_out(groups, (&permits_out, &groups_in), stop);
            if cut.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            drop(groups_in);
            let put = putter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            cut?;
            put
        })
    }

    /// Puts encoded parts in row order, whatever order they arrive in.
    fn put_all(
        &self,
        hold: &Hold,
        parts: &Receiver<Encoded>,
        permits: &SyncSender<()>,
    ) -> Result<(Vec<Part>, u64), Error> {
        let mut early = BTreeMap::new();
        let mut done = Vec::new();
        let mut new_bytes = 0;
        while let Ok((index, encoded)) = parts.recv() {
            early.insert(index, encoded?);
            while let Some(next) = early.remove(&done.len()) {
                new_bytes += self.put_part(hold, &next)?;
                done.push(next.part);
                // Nobody waits for it any more once all rows are cut.
                permits.send(()).unwrap_or_default();
            }
        }
        Ok((done, new_bytes))
    }

    /// Puts the blocks of a part; returns the bytes newly written.
    pub(crate) fn put_part(&self, hold: &Hold, encoded: &EncodedPart) -> Result<u64, Error> {
        let leaves = self.store.put(hold, &encoded.leaves)?.new_bytes;
        Ok(leaves + self.store.put(hold, &encoded.nodes)?.new_bytes)
    }
}

/// How the threads are shared among those who encode: one alone has them all.
struct Busy {
    threads: usize,
    workers: AtomicUsize,
}

impl Busy {
    /// Does work with the threads that are its share as it begins.
    fn with_share<T>(&self, work: impl FnOnce(usize) -> T) -> T {
        let others = self.workers.fetch_add(1, Ordering::Relaxed);
        let done = work(self.threads.div_ceil(others + 1));
        self.workers.fetch_sub(1, Ordering::Relaxed);
        done
    }
}

/// Parts by the number of rows before them: those of a table whose rows are stored again, in the
/// same order and under the same schema.
pub(crate) type StoredParts = BTreeMap<u64, Part>;

/// A row group with its number and the number of rows before it.
struct Placed {
    index: usize,
    start: u64,
    group: RowGroup,
}

type Encoded = (usize, Result<EncodedPart, Error>);

/// The row groups that rows are cut into; reports what was read.
struct Groups<'a> {
    incoming: Incoming<'a>,
    /// None when all rows were cut.
    cutter: Option<layout::RowGroups>,
    cut: VecDeque<RowGroup>,
    rows_read: u64,
    progress: &'a Progress,
}

impl<'a> Groups<'a> {
    fn new(incoming: Incoming<'a>, rule: CutRule, progress: &'a Progress) -> Result<Self, Error> {
        let cutter = Some(layout::RowGroups::new(&incoming.schema, rule)?);
        Ok(Self { incoming, cutter, cut: VecDeque::new(), rows_read: 0, progress })
    }

    /// Whether there are no more.
    fn is_done(&self) -> bool {
        self.cutter.is_none() && self.cut.is_empty()
    }

    /// Reads a batch; or, behind the last one, takes what is left.
    fn cut_on(&mut self, cutter: &mut layout::RowGroups) -> Result<bool, Error> {
        let Some(batch) = self.incoming.batches.next().transpose()? else {
            return Ok(false);
        };
        self.rows_read += batch.num_rows() as u64;
        self.cut.extend(cutter.push(batch)?);
        report(self.progress, "storing", &self.incoming, self.rows_read);
        Ok(true)
    }
}

impl Iterator for Groups<'_> {
    type Item = Result<RowGroup, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.cut.is_empty() {
            let mut cutter = self.cutter.take()?;
            match self.cut_on(&mut cutter) {
                Ok(true) => self.cutter = Some(cutter),
                Ok(false) => match cutter.finish() {
                    Ok(last) => self.cut.extend(last),
                    Err(error) => return Some(Err(error.into())),
                },
                Err(error) => return Some(Err(error)),
            }
        }
        self.cut.pop_front().map(Ok)
    }
}

/// Hands row groups to those who encode them, until they are to stop.
fn hand_out(
    row_groups: impl Iterator<Item = Result<RowGroup, Error>>,
    (permits, groups): (&Receiver<()>, &SyncSender<Placed>),
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut start = 0;
    for (index, group) in row_groups.enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let group = group?;
        let before = start;
        start += group.rows.num_rows() as u64;
        // Without a putter there are no permits: what it fell over is told when it is joined.
        if let Ok(()) = permits.recv() {
            // There is room for as many groups as there are permits.
            groups.send(Placed { index, start: before, group }).unwrap_or_default();
        }
    }
    Ok(())
}

/// Says how many rows of input, or bytes where their number is known, were read.
pub(super) fn report(progress: &Progress, phase: &'static str, incoming: &Incoming<'_>, rows: u64) {
    let event = match incoming.bytes_total {
        Some(total) => ProgressEvent {
            phase,
            done: (incoming.bytes_read)().min(total),
            total: Some(total),
            unit: Unit::Bytes,
        },
        None => ProgressEvent { phase, done: rows, total: incoming.rows_total, unit: Unit::Rows },
    };
    progress(event);
}

/// One encoder: takes row groups until there are no more.
fn encode_all(
    groups: &Mutex<Receiver<Placed>>,
    parts: &SyncSender<Encoded>,
    stop: &AtomicBool,
    encode: impl Fn(&Placed) -> Result<EncodedPart, Error>,
) {
    loop {
        // Held while waiting: the others have nothing to take either.
        let next = groups.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(placed) = next else { return };
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        let index = placed.index;
        let encoded = unless_panics(&placed, &encode);
        if parts.send((index, encoded)).is_err() {
            return;
        }
    }
}

/// Encodes a row group; a panic in it ends this operation alone.
fn unless_panics(
    placed: &Placed,
    encode: impl Fn(&Placed) -> Result<EncodedPart, Error>,
) -> Result<EncodedPart, Error> {
    catch_unwind(AssertUnwindSafe(|| encode(placed))).unwrap_or_else(|_| {
        Err(Error::internal(format!("row group {} could not be encoded", placed.index)))
    })
}

/// Returns the part that holds just the rows of a row group, encoding it where there is none yet.
fn part(
    placed: &Placed,
    stored: &StoredParts,
    partitioning: &Partitioning,
    threads: usize,
) -> Result<EncodedPart, Error> {
    let rows = placed.group.rows.num_rows() as u64;
    match stored.get(&placed.start) {
        // A part depends on its rows and their schema alone.
        Some(part) if part.rows == rows => {
            Ok(EncodedPart { part: part.clone(), leaves: Vec::new(), nodes: Vec::new() })
        }
        _ => Ok(layout::encode_partitioned(&placed.group, partitioning, threads)?),
    }
}
