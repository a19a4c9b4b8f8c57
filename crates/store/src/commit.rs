//! Commits, many at a time.
//!
//! Threads that commit put their records in a queue. The first becomes the leader: it takes
//! everything that is queued, makes it durable with one write and two syncs, and tells the
//! others; whatever arrives meanwhile waits for the next leader. The order is
//!
//! 1. sync this process's pack, if it has bytes that are not durable;
//! 2. take the log's lock, and read what other processes appended; where packs were retired since
//!    it was made sure of what a hold has put, unlock, bring blocks to safety, and begin again;
//! 3. hold each commit's expectation against the log;
//! 4. set the mark, write all records at once, sync the segment, clear the mark;
//! 5. release the lock, and only then acknowledge.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::{CommitError, StoreError};
use crate::hold::{Hold, Holds};
use crate::locked::lock;
use crate::log::{Body, Draft, Extent, LogFolder, LogLock, Lsn, Payload, Tail, append};
use crate::pack::{PackSet, PackWriter, Pending};
use crate::rescue::rescue;

/// What a commit expects of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// That no record came after this one.
    Last(Lsn),
}

/// What a leader works on.
pub(crate) struct Parts<'a> {
    pub(crate) folder: &'a LogFolder,
    pub(crate) tail: &'a Mutex<Tail>,
    pub(crate) packs: &'a PackSet,
    pub(crate) holds: &'a Holds,
    pub(crate) writer: &'a Mutex<PackWriter>,
}

impl Parts<'_> {
    /// Reads on in the log. What it says of packs is noted before anybody can see the records.
    pub(crate) fn follow(&self, tail: &mut Tail) -> Result<(), StoreError> {
        let followed = tail.follow(self.folder, false);
        self.note(tail);
        followed
    }

    /// Reads what other processes committed, and gets to know their blocks.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        self.follow(&mut lock(self.tail))?;
        self.packs.catch_up().or_else(|error| {
            // A file may be gone because its pack was retired since the log was read.
            if !error.is_absence() {
                return Err(error);
            }
            self.follow(&mut lock(self.tail))?;
            self.packs.catch_up()
        })
    }

    /// Reads the log to its end under its lock; returns the last record, and the last that carries
    /// a payload.
    pub(crate) fn follow_locked(&self, log_lock: &LogLock) -> Result<(u64, Lsn), StoreError> {
        let mut tail = lock(self.tail);
        let followed = tail.follow_locked(self.folder, log_lock);
        self.note(&mut tail);
        followed.map(|()| (tail.last(), tail.visible()))
    }

    /// Appends records that announce what is `pending`, and gives up the log's lock.
    pub(crate) fn append(
        &self,
        mut log_lock: LogLock,
        pending: &Pending,
        (drafts, bodies): (Vec<Draft>, Vec<Body>),
    ) -> Result<(), StoreError> {
        append(self.folder, &mut log_lock, self.tail, drafts, bodies)?;
        self.packs.announce(&pending.extents);
        self.note(&mut lock(self.tail));
        // A put may hold the writer for long; other processes need not wait for that.
        drop(log_lock);
        lock(self.writer).announced(&pending.extents);
        Ok(())
    }

    fn note(&self, tail: &mut Tail) {
        self.packs.announce(&tail.take_extents());
        let retirements = tail.take_retirements();
        if !retirements.is_empty() {
            self.packs.retire(&retirements, self.holds.oldest());
        }
    }
}

/// The queue of commits of this process.
#[derive(Debug, Default)]
pub(crate) struct CommitQueue {
    /// Held to queue a commit or to take the queue, never during a write.
    state: Mutex<QueueState>,
    turn: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: Vec<Ticket>,
    /// Commits that are queued or being made.
    unanswered: u64,
    is_led: bool,
}

type Answer = Mutex<Option<Result<Lsn, CommitError>>>;

/// One commit in the queue.
#[derive(Debug)]
struct Ticket {
    hold: Hold,
    payloads: Vec<Payload>,
    expect: Expect,
    answer: Arc<Answer>,
}

impl Ticket {
    fn reply(&self, answer: Result<Lsn, CommitError>) {
        *lock(&self.answer) = Some(answer);
    }
}

impl Drop for Ticket {
    /// A leader that ended without an answer must not leave others waiting for one.
    fn drop(&mut self) {
        lock(&self.answer).get_or_insert(Err(StoreError::Closed.into()));
    }
}

/// Gives the lead back, also when the leader panics.
struct Lead<'a>(&'a CommitQueue);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_led = false;
        self.0.turn.notify_all();
    }
}

impl CommitQueue {
    /// Returns how many commits have no answer yet.
    pub(crate) fn unanswered(&self) -> u64 {
        lock(&self.state).unanswered
    }

    /// Commits `payloads` as a whole and returns the number of the last record.
    pub(crate) fn commit(
        &self,
        parts: &Parts<'_>,
        hold: &Hold,
        payloads: Vec<Payload>,
        expect: Expect,
    ) -> Result<Lsn, CommitError> {
        for payload in &payloads {
            Body::Payload(payload.clone()).check()?;
        }
        let answer = Arc::new(Answer::default());
        let hold = hold.clone();
        let ticket = Ticket { hold, payloads, expect, answer: Arc::clone(&answer) };
        let mut state = lock(&self.state);
        state.waiting.push(ticket);
        state.unanswered += 1;
        loop {
            if let Some(answer) = lock(&answer).take() {
                state.unanswered -= 1;
                return answer;
            }
            if state.is_led {
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_led = true;
            let tickets = std::mem::take(&mut state.waiting);
            drop(state);
            let lead = Lead(self);
            serve(parts, tickets);
            drop(lead);
            state = lock(&self.state);
        }
    }
}

/// Answers all tickets.
fn serve(parts: &Parts<'_>, mut tickets: Vec<Ticket>) {
    let replies = commit_all(parts, &mut tickets);
    match replies {
        Ok(replies) => {
            for (ticket, reply) in tickets.into_iter().zip(replies) {
                ticket.reply(reply.map_err(|last| CommitError::Behind { last }));
            }
        }
        Err(error) => {
            for ticket in tickets {
                ticket.reply(Err(CommitError::Store(error.clone())));
            }
        }
    }
}

/// Makes the commits whose expectations hold; of the others returns the last record. Answers
/// those itself, and takes them out, whose blocks are gone.
fn commit_all(
    parts: &Parts<'_>,
    tickets: &mut Vec<Ticket>,
) -> Result<Vec<Result<Lsn, Lsn>>, StoreError> {
    loop {
        let pending = lock(parts.writer).pending(parts.packs)?;
        pending.sync()?;
        let log_lock = LogLock::take(parts.folder)?;
        let (last, visible) = parts.follow_locked(&log_lock)?;
        let last_retired = parts.packs.last_retired();
        if tickets.iter().any(|ticket| ticket.hold.is_behind(last_retired)) {
            drop(log_lock);
            tickets.retain(|ticket| match rescue(parts, &ticket.hold) {
                Ok(()) => true,
                Err(error) => {
                    ticket.reply(Err(error.into()));
                    false
                }
            });
            continue;
        }
        let plan = Plan::new(tickets, last, visible, &pending.extents, log_lock.is_dirty())?;
        if !plan.drafts.is_empty() {
            parts.append(log_lock, &pending, (plan.drafts, plan.bodies))?;
        }
        return Ok(plan.replies);
    }
}

/// The records to append, and the answers to give when they are durable.
struct Plan {
    drafts: Vec<Draft>,
    bodies: Vec<Body>,
    replies: Vec<Result<Lsn, Lsn>>,
}

impl Plan {
    fn new(
        tickets: &[Ticket],
        last: u64,
        visible: Lsn,
        extents: &[Extent],
        is_dirty: bool,
    ) -> Result<Self, StoreError> {
        let mut plan = Self { drafts: Vec::new(), bodies: Vec::new(), replies: Vec::new() };
        let (mut last, mut visible) = (last, visible);
        for ticket in tickets {
            // A record without payload moves nothing that anybody could have read.
            let holds = match ticket.expect {
                Expect::Any => true,
                Expect::Last(expected) => visible <= expected && expected.0 <= last,
            };
            if !holds {
                plan.replies.push(Err(visible));
                continue;
            }
            for (at, payload) in (1..).zip(&ticket.payloads) {
                let body = Body::Payload(payload.clone());
                plan.push(body, extents, at < ticket.payloads.len())?;
                last += 1;
                visible = Lsn(last);
            }
            plan.replies.push(Ok(visible));
        }
        // Blocks are to be durable after a commit without records, too: those of this process,
        // and those that it found in the records of a writer that ended before it synced them.
        let is_owed = (!extents.is_empty() || is_dirty) && plan.replies.iter().any(Result::is_ok);
        if plan.drafts.is_empty() && is_owed {
            plan.push(Body::Nothing, extents, false)?;
        }
        Ok(plan)
    }

    /// Adds a record; the first one of a write announces the extents.
    fn push(&mut self, body: Body, extents: &[Extent], more: bool) -> Result<(), StoreError> {
        let extents = if self.drafts.is_empty() { extents } else { &[] };
        self.drafts.push(Draft::new(&body, extents, more)?);
        self.bodies.push(body);
        Ok(())
    }
}
