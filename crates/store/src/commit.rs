//! Commits, many at a time.
//!
//! Threads that commit put their records in a queue. The first becomes the leader: it takes
//! everything that is queued, makes it durable with one write and two syncs, hands the lead to
//! the first of those that came meanwhile, and tells those whom it served. Requests to the
//! operation queue wait among them: what they write is decided when it is known what came before.
//! The order is
//!
//! 1. sync this process's pack, if it has bytes that are not durable;
//! 2. take the log's lock, and read what other processes appended; where packs were retired since
//!    it was made sure of what a hold has put, unlock, bring blocks to safety, and begin again;
//! 3. hold each commit's expectation against the log, and each request against the queue;
//! 4. set the mark, write all records at once, sync the segment, clear the mark;
//! 5. release the lock, and only then acknowledge.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{CommitError, StoreError};
use crate::hold::{Hold, Holds};
use crate::locked::lock;
use crate::log::{Body, Drafts, Extent, LogFolder, LogLock, Lsn, Payload, Tail, append};
use crate::pack::{PackSet, PackWriter, Pending, Unannounced};
use crate::queue::{Planner, Reply, Request};
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
    /// What collections copied and made durable, so that it can be found: every commit announces it.
    pub(crate) copied: &'a Unannounced,
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

    /// Returns what the next commit has to make durable and to announce.
    pub(crate) fn pending(&self) -> Result<Pending, StoreError> {
        let mut pending = lock(self.writer).pending(self.packs)?;
        pending.extents.extend(self.copied.extents(self.packs));
        Ok(pending)
    }

    /// Appends records that announce what is `pending`, and gives up the log's lock.
    pub(crate) fn append(
        &self,
        mut log_lock: LogLock,
        pending: &Pending,
        (drafts, bodies): (Drafts, Vec<Body>),
    ) -> Result<(), StoreError> {
        append(self.folder, &mut log_lock, self.tail, drafts, bodies)?;
        self.packs.announce(&pending.extents);
        self.note(&mut lock(self.tail));
        // A put may hold the writer for long; other processes need not wait for that.
        drop(log_lock);
        self.copied.announced(&pending.extents);
        lock(self.writer).announced(&pending.extents);
        Ok(())
    }

    /// Takes note of what was read about packs.
    pub(crate) fn note(&self, tail: &mut Tail) {
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
    traffic: Traffic,
}

/// How many commits are made, for those who let them go first.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Commits that are queued or being made. Held for moments.
    unanswered: Mutex<u64>,
    is_quiet: Condvar,
}

impl Traffic {
    fn begins(&self) {
        *lock(&self.unanswered) += 1;
    }

    fn ends(&self) {
        let mut unanswered = lock(&self.unanswered);
        *unanswered -= 1;
        if *unanswered == 0 {
            self.is_quiet.notify_all();
        }
    }

    /// Waits until no commit is being made, at most for `patience`.
    pub(crate) fn wait_for_quiet(&self, patience: Duration) {
        let unanswered = lock(&self.unanswered);
        let is_busy = |unanswered: &mut u64| *unanswered > 0;
        // When patience is over, or somebody panicked, the caller goes on all the same.
        let _quiet_or_not = self.is_quiet.wait_timeout_while(unanswered, patience, is_busy);
    }
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: Vec<Ticket>,
    is_led: bool,
}

/// What a waiting thread is told.
#[derive(Debug)]
enum Told {
    /// To serve everybody who waits.
    Lead,
    Answer(Result<Answer, CommitError>),
}

/// What becomes of a ticket.
#[derive(Debug)]
enum Answer {
    /// The number of the last record of a commit.
    Committed(Lsn),
    /// What the queue says.
    Operated(Reply),
}

/// Where one thread waits, so that nobody is woken in vain.
#[derive(Debug, Default)]
struct Seat {
    told: Mutex<Option<Told>>,
    turn: Condvar,
}

impl Seat {
    fn tell(&self, told: Told) {
        *lock(&self.told) = Some(told);
        self.turn.notify_one();
    }

    fn wait(&self) -> Told {
        let mut told = lock(&self.told);
        loop {
            match told.take() {
                Some(told) => return told,
                None => told = self.turn.wait(told).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// One commit, or one request, in the queue.
#[derive(Debug)]
struct Ticket {
    wish: Wish,
    seat: Arc<Seat>,
    is_answered: bool,
}

#[derive(Debug)]
enum Wish {
    Commit(Commit),
    Operate(Request),
}

#[derive(Debug)]
struct Commit {
    hold: Hold,
    bodies: Vec<Body>,
    /// The bodies encoded, without extents.
    drafts: Drafts,
    expect: Expect,
}

impl Commit {
    fn new(hold: Hold, payloads: Vec<Payload>, expect: Expect) -> Result<Self, StoreError> {
        let bodies: Vec<Body> = payloads.into_iter().map(Body::Payload).collect();
        let drafts = Drafts::of_commit(&bodies)?;
        Ok(Self { hold, bodies, drafts, expect })
    }
}

impl Ticket {
    fn new(wish: Wish) -> Self {
        Self { wish, seat: Arc::default(), is_answered: false }
    }

    /// Returns the hold under which blocks were put that the ticket's records refer to.
    fn hold(&self) -> Option<&Hold> {
        match &self.wish {
            Wish::Commit(commit) => Some(&commit.hold),
            Wish::Operate(_) => None,
        }
    }

    fn reply(&mut self, answer: Result<Answer, CommitError>) {
        self.is_answered = true;
        self.seat.tell(Told::Answer(answer));
    }
}

impl Drop for Ticket {
    /// A leader that ended without an answer must not leave others waiting for one.
    fn drop(&mut self) {
        if !self.is_answered {
            self.reply(Err(StoreError::Closed.into()));
        }
    }
}

/// Hands the lead on, also when the leader panics.
struct Lead<'a>(&'a CommitQueue);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let next = {
            let mut state = lock(&self.0.state);
            let next = state.waiting.first().map(|ticket| Arc::clone(&ticket.seat));
            state.is_led = next.is_some();
            next
        };
        if let Some(seat) = next {
            seat.tell(Told::Lead);
        }
    }
}

impl CommitQueue {
    /// Returns how many commits have no answer yet.
    pub(crate) fn unanswered(&self) -> u64 {
        *lock(&self.traffic.unanswered)
    }

    /// How many commits are made.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Commits `payloads` as a whole and returns the number of the last record.
    pub(crate) fn commit(
        &self,
        parts: &Parts<'_>,
        hold: &Hold,
        payloads: Vec<Payload>,
        expect: Expect,
    ) -> Result<Lsn, CommitError> {
        let commit = Commit::new(hold.clone(), payloads, expect)?;
        match self.wait(parts, Wish::Commit(commit))? {
            Answer::Committed(lsn) => Ok(lsn),
            Answer::Operated(reply) => unreachable!("a commit was answered with {reply:?}"),
        }
    }

    /// Lets the operation queue answer `request`, and returns when what it changed is durable.
    pub(crate) fn operate(
        &self,
        parts: &Parts<'_>,
        request: Request,
    ) -> Result<Reply, CommitError> {
        match self.wait(parts, Wish::Operate(request))? {
            Answer::Operated(reply) => Ok(reply),
            Answer::Committed(lsn) => unreachable!("a request was answered with record {lsn}"),
        }
    }

    /// Waits until somebody, or this thread, has served it.
    fn wait(&self, parts: &Parts<'_>, wish: Wish) -> Result<Answer, CommitError> {
        let ticket = Ticket::new(wish);
        let seat = Arc::clone(&ticket.seat);
        self.traffic.begins();
        let is_first = {
            let mut state = lock(&self.state);
            state.waiting.push(ticket);
            !std::mem::replace(&mut state.is_led, true)
        };
        if is_first {
            self.serve(parts);
        }
        loop {
            match seat.wait() {
                Told::Lead => self.serve(parts),
                Told::Answer(answer) => {
                    self.traffic.ends();
                    return answer;
                }
            }
        }
    }

    /// Serves everybody who waits, as the leader.
    fn serve(&self, parts: &Parts<'_>) {
        let lead = Lead(self);
        let mut tickets = std::mem::take(&mut lock(&self.state).waiting);
        let replies = commit_all(parts, &mut tickets);
        // The next write goes on while those who wait for this one are woken.
        drop(lead);
        answer(tickets, replies);
    }
}

/// Answers all tickets.
fn answer(tickets: Vec<Ticket>, replies: Result<Vec<Result<Answer, Lsn>>, StoreError>) {
    match replies {
        Ok(replies) => {
            for (mut ticket, reply) in tickets.into_iter().zip(replies) {
                ticket.reply(reply.map_err(|last| CommitError::Behind { last }));
            }
        }
        Err(error) => {
            for mut ticket in tickets {
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
) -> Result<Vec<Result<Answer, Lsn>>, StoreError> {
    loop {
        let pending = parts.pending()?;
        pending.sync()?;
        let log_lock = LogLock::take(parts.folder)?;
        let (last, visible) = parts.follow_locked(&log_lock)?;
        let last_retired = parts.packs.last_retired();
        let holds = tickets.iter().filter_map(Ticket::hold);
        if holds.into_iter().any(|hold| hold.is_behind(last_retired)) {
            drop(log_lock);
            tickets.retain_mut(|ticket| {
                match ticket.hold().map_or(Ok(()), |hold| rescue(parts, hold)) {
                    Ok(()) => true,
                    Err(error) => {
                        ticket.reply(Err(error.into()));
                        false
                    }
                }
            });
            continue;
        }
        let plan = {
            // Nobody moves the log's end while its lock is held.
            let tail = lock(parts.tail);
            let mut plan = Plan::new(Planner::new(tail.operations()), (last, visible));
            plan.serve(tickets)?;
            plan.finish(&pending.extents, log_lock.is_dirty())?
        };
        if !plan.drafts.is_empty() {
            parts.append(log_lock, &pending, (plan.drafts, plan.bodies))?;
        }
        return Ok(plan.replies);
    }
}

/// The records to append, and the answers to give when they are durable.
struct Planned {
    drafts: Drafts,
    bodies: Vec<Body>,
    replies: Vec<Result<Answer, Lsn>>,
}

/// A plan in the making.
struct Plan<'a> {
    planned: Planned,
    planner: Planner<'a>,
    /// The last record, and the last that carries a payload, with those that are planned.
    last: u64,
    visible: Lsn,
}

impl<'a> Plan<'a> {
    /// Begins to plan what comes behind the last record and the last that carries a payload.
    fn new(planner: Planner<'a>, (last, visible): (u64, Lsn)) -> Self {
        let (drafts, bodies, replies) = (Drafts::default(), Vec::new(), Vec::new());
        Self { planned: Planned { drafts, bodies, replies }, planner, last, visible }
    }

    /// Plans what becomes of `tickets`. What is to be written is moved out of them.
    fn serve(&mut self, tickets: &mut [Ticket]) -> Result<(), StoreError> {
        for ticket in tickets {
            let reply = match &mut ticket.wish {
                Wish::Commit(commit) => self.commit(commit),
                Wish::Operate(request) => Ok(self.operate(request)?),
            };
            self.planned.replies.push(reply);
        }
        Ok(())
    }

    fn commit(&mut self, commit: &mut Commit) -> Result<Answer, Lsn> {
        // A record without payload moves nothing that anybody could have read.
        let holds = match commit.expect {
            Expect::Any => true,
            Expect::Last(expected) => self.visible <= expected && expected.0 <= self.last,
        };
        if !holds {
            return Err(self.visible);
        }
        if !commit.bodies.is_empty() {
            self.last += commit.bodies.len() as u64;
            self.visible = Lsn(self.last);
        }
        let (drafts, bodies) = (&mut commit.drafts, &mut commit.bodies);
        self.planned.take(std::mem::take(drafts), std::mem::take(bodies));
        Ok(Answer::Committed(self.visible))
    }

    fn operate(&mut self, request: &Request) -> Result<Answer, StoreError> {
        let (events, reply) = self.planner.answer(request, self.last);
        self.last += events.len() as u64;
        let bodies: Vec<Body> = events.into_iter().map(Body::Operation).collect();
        self.planned.take(Drafts::of_commit(&bodies)?, bodies);
        Ok(Answer::Operated(reply))
    }

    /// Adds what the write owes to all.
    fn finish(self, extents: &[Extent], is_dirty: bool) -> Result<Planned, StoreError> {
        let mut planned = self.planned;
        // Blocks are to be durable after a commit without records, too: those of this process,
        // and those that it found in the records of a writer that ended before it synced them.
        let is_owed = !extents.is_empty() || is_dirty;
        if planned.drafts.is_empty() && is_owed && planned.replies.iter().any(Result::is_ok) {
            planned.drafts = Drafts::of_one(&Body::Nothing, &[])?;
            planned.bodies.push(Body::Nothing);
        }
        // The first record of a write announces the extents.
        if let Some(first) = planned.bodies.first().filter(|_| !extents.is_empty()) {
            planned.drafts = planned.drafts.announcing(first, extents)?;
        }
        Ok(planned)
    }
}

impl Planned {
    /// Takes what is to be written. The first is taken as it is.
    fn take(&mut self, drafts: Drafts, mut bodies: Vec<Body>) {
        self.drafts.append(drafts);
        if self.bodies.is_empty() {
            self.bodies = bodies;
        } else {
            self.bodies.append(&mut bodies);
        }
    }
}
