//! Runs operations: takes what is due, does it, and says how it went.
//!
//! A worker prolongs its lease while a handler works. One that stood still for so long that somebody
//! else has the operation is told to stop, and what it did counts for nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use cidlake_store::{
    Failure, LeaseRequest, Leased, NewOperation, OperationParams, OperationResult, Settlement,
    retry_delay_ms,
};

use super::handler::Job;
use crate::clock::now_ms;
use crate::error::{Error, ErrorKind};
use crate::key::fill_random;
use crate::lake::{Inner, Lake};
use crate::progress::Progress;
use crate::rows::Stop;

/// How long a lease is good if it is not prolonged, in milliseconds.
const LEASE_MS: u64 = 30_000;
/// How often it is prolonged.
const RENEWED_EVERY: Duration = Duration::from_millis(LEASE_MS / 3);
/// How long a worker that waits for work sleeps at most before it looks again.
const IDLE: Duration = Duration::from_millis(500);

/// What a worker is to do.
#[derive(Clone, Default)]
pub struct WorkRequest {
    /// Only operations of these kinds; of all that have a handler where none is named.
    pub kinds: Vec<String>,
    /// Whether to queue first what the schedule says.
    pub schedule: bool,
    /// Whether to wait for more when nothing is due.
    pub watch: bool,
    /// The most attempts to be made.
    pub limit: Option<u64>,
    /// Ends it after the operation that it is at.
    pub stop: Stop,
}

impl std::fmt::Debug for WorkRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkRequest").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkSummary {
    /// Operations that the schedule queued.
    pub scheduled: u64,
    /// Operations that are done.
    pub completed: u64,
    /// Attempts that failed, and are made again.
    pub retrying: u64,
    /// Operations that failed for good: no attempt more would help, or it was the last.
    pub failed: u64,
    /// Operations that somebody else had when the attempt was over.
    pub lost: u64,
}

impl Lake {
    /// Runs operations that are due, one after the other, until there is none, or until it is told
    /// to stop.
    ///
    /// # Errors
    /// `Usage` for a kind that nobody handles here; `Unavailable` when the log takes no records. What
    /// fails in an operation is noted with it and is no error here.
    pub async fn work(
        &self,
        request: WorkRequest,
        progress: Progress,
    ) -> Result<WorkSummary, Error> {
        let lake = self.clone();
        self.blocking(move |_| Worker::new(&lake, &request, &progress)?.run()).await
    }
}

struct Worker<'a> {
    lake: &'a Lake,
    request: &'a WorkRequest,
    progress: &'a Progress,
    kinds: Vec<Arc<str>>,
    name: Arc<str>,
    /// The keys of what the schedule had queued last.
    scheduled: Vec<(&'static str, String)>,
    summary: WorkSummary,
}

impl<'a> Worker<'a> {
    fn new(
        lake: &'a Lake,
        request: &'a WorkRequest,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        let handlers = &lake.inner.handlers;
        let mut kinds = handlers.kinds();
        if !request.kinds.is_empty() {
            if let Some(unknown) = request.kinds.iter().find(|kind| handlers.get(kind).is_none()) {
                return Err(handlers.unknown(unknown));
            }
            kinds.retain(|kind| request.kinds.iter().any(|wanted| *wanted == **kind));
        }
        let mut unique = [0; 4];
        fill_random(&mut unique)?;
        let name = format!("process {}, {:08x}", std::process::id(), u32::from_le_bytes(unique));
        let (name, summary) = (name.into(), WorkSummary::default());
        Ok(Self { lake, request, progress, kinds, name, scheduled: Vec::new(), summary })
    }

    fn run(mut self) -> Result<WorkSummary, Error> {
        let inner = &*self.lake.inner;
        let mut settlements = Vec::new();
        let mut attempts = 0;
        loop {
            if self.request.schedule {
                self.queue_scheduled()?;
            }
            let is_over = self.request.stop.is_stopped()
                || self.request.limit.is_some_and(|limit| attempts >= limit);
            let wish = (!is_over).then(|| self.wish());
            let settled = std::mem::take(&mut settlements);
            if settled.is_empty() && wish.is_none() {
                return Ok(self.summary);
            }
            let (kept, leased) = inner.store.turn(settled.clone(), wish, now_ms())?;
            self.count(&settled, &kept);
            for leased in leased {
                attempts += 1;
                settlements.push(self.attempt(&leased)?);
            }
            if settlements.is_empty() && !(self.request.watch && self.wait()?) {
                return Ok(self.summary);
            }
        }
    }

    /// Queues what the schedule says, once in each of its spans.
    fn queue_scheduled(&mut self) -> Result<(), Error> {
        let inner = &self.lake.inner;
        let mut due = inner.settings.schedule.due(now_ms());
        // What this worker does not run would wait for nobody.
        due.retain(|(kind, _)| self.kinds.iter().any(|own| **own == **kind));
        if due != self.scheduled {
            let new = |(kind, key): &(&str, String)| {
                Ok(NewOperation::new(kind, OperationParams::default())?.with_key(key)?)
            };
            let new = due.iter().map(new).collect::<Result<Vec<_>, Error>>()?;
            let queued = inner.store.enqueue(new, now_ms())?;
            self.summary.scheduled += queued.iter().filter(|one| one.is_new).count() as u64;
            self.scheduled = due;
        }
        Ok(())
    }

    fn wish(&self) -> LeaseRequest {
        LeaseRequest {
            kinds: self.kinds.clone(),
            worker: Arc::clone(&self.name),
            until_ms: now_ms().saturating_add(LEASE_MS),
            limit: 1,
        }
    }

    /// Counts how attempts went; `kept` says which leases were still good.
    fn count(&mut self, settled: &[Settlement], kept: &[bool]) {
        for (settlement, kept) in settled.iter().zip(kept) {
            let count = match (kept, settlement.outcome.word()) {
                (false, _) => &mut self.summary.lost,
                (true, "completed") => &mut self.summary.completed,
                (true, "retrying") => &mut self.summary.retrying,
                (true, _) => &mut self.summary.failed,
            };
            *count += 1;
        }
    }

    /// Sleeps until something is due, or for a while; returns whether to go on.
    fn wait(&self) -> Result<bool, Error> {
        let due_ms = self.lake.inner.store.next_due_ms(&self.kinds)?;
        let left = due_ms.map_or(IDLE, |due| Duration::from_millis(due.saturating_sub(now_ms())));
        std::thread::park_timeout(left.clamp(Duration::from_millis(10), IDLE));
        Ok(!self.request.stop.is_stopped())
    }

    /// Runs one operation under its lease.
    fn attempt(&self, leased: &Leased) -> Result<Settlement, Error> {
        let ran = self.prolonged(leased, |job| self.handle(&leased.operation.kind, &job));
        let error = match ran {
            Ok(result) => return Ok(Settlement::completed(leased, result)),
            Err(error) => error,
        };
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            message.push_str(&format!(": {next}"));
            cause = next.source();
        }
        let failure = Failure::new(error.kind().word(), &message);
        let is_worth_trying = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::Internal
        );
        if !is_worth_trying {
            return Ok(Settlement::failed(leased, failure, None));
        }
        let is_last = leased.operation.attempts >= leased.operation.attempts_max;
        let mut random = [0; 8];
        fill_random(&mut random)?;
        let delay = retry_delay_ms(leased.operation.attempts, u64::from_le_bytes(random));
        let due_ms = now_ms().saturating_add(delay);
        let settlement = Settlement::failed(leased, failure, Some(due_ms));
        // So that it is counted as what it becomes.
        Ok(if is_last { settlement.buried() } else { settlement })
    }

    fn handle(&self, kind: &str, job: &Job) -> Result<OperationResult, Error> {
        let handlers = &self.lake.inner.handlers;
        let handler = handlers.get(kind).ok_or_else(|| handlers.unknown(kind))?;
        let ran = catch_unwind(AssertUnwindSafe(|| handler.run(self.lake, job)));
        ran.unwrap_or_else(|_| Err(Error::internal(format!("the handler of {kind} panicked"))))
    }

    /// Runs `work` while another thread prolongs the lease.
    fn prolonged<T>(&self, leased: &Leased, work: impl FnOnce(Job) -> T) -> T {
        let is_lost = Arc::new(AtomicBool::new(false));
        let stop = {
            let is_lost = Arc::clone(&is_lost);
            Stop::asking(Arc::new(move || is_lost.load(Ordering::SeqCst)))
        };
        let job = Job {
            id: leased.operation.id,
            attempt: leased.operation.attempts,
            params: leased.operation.params.clone(),
            stop,
            progress: Arc::clone(self.progress),
        };
        let done = (Mutex::new(false), Condvar::new());
        std::thread::scope(|scope| {
            scope.spawn(|| self.lake.inner.renew_until(leased, &done, &is_lost));
            // Ends the other thread also where the work panics.
            let _ended = Ended(&done);
            work(job)
        })
    }
}

/// Says that the work is over.
struct Ended<'a>(&'a (Mutex<bool>, Condvar));

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

impl Inner {
    /// Prolongs a lease again and again until the work under it is over, or somebody else has it.
    fn renew_until(&self, leased: &Leased, done: &(Mutex<bool>, Condvar), is_lost: &AtomicBool) {
        let mut is_done = done.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let waited = done.1.wait_timeout_while(is_done, RENEWED_EVERY, |is_done| !*is_done);
            let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *guard {
                return;
            }
            drop(guard);
            let now = now_ms();
            let leases = vec![(leased.operation.id, leased.token)];
            let renewed = self.store.renew(leases, now.saturating_add(LEASE_MS), now);
            // Where the log takes no record the lease may still be good: the next look says so.
            if renewed.is_ok_and(|renewed| renewed != [true]) {
                is_lost.store(true, Ordering::SeqCst);
                return;
            }
            is_done = done.0.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}
