//! The queue of statements: those that hold rows in memory take turns, so that each has enough; the
//! others run at once.
//!
//! What a plan needs is judged by the query engine.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cidlake_query::{Admit, Need};
use tokio::sync::Semaphore;

/// Memory with which a statement that sorts, joins or groups gets on well.
const SHARE_BYTES: usize = 64 << 20;
/// More statements at once than so many for each thread only get in each other's way.
const SHARES_PER_THREAD: usize = 2;
/// How long work that was let go of is given at a time to notice.
const PAUSE: Duration = Duration::from_millis(5);

/// Turns for statements of one lake, first come, first served.
#[derive(Debug)]
pub(crate) struct Admission {
    turns: Arc<Semaphore>,
    shares: u32,
}

impl Admission {
    /// Divides `memory_bytes` among as many statements as `threads` can serve.
    pub(crate) fn new(memory_bytes: usize, threads: usize) -> Self {
        let most = threads.saturating_mul(SHARES_PER_THREAD).max(1);
        let shares = (memory_bytes / SHARE_BYTES).clamp(1, most);
        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
        Self { turns: Arc::new(Semaphore::new(shares as usize)), shares }
    }
}

#[async_trait]
impl Admit for Admission {
    async fn admit(&self, need: Need) -> Box<dyn Any + Send + Sync> {
        let wanted = match need {
            Need::Little => 0,
            Need::Share => 1,
            Need::All => self.shares,
        };
        // Nobody closes the queue; were it closed, everybody would run.
        Box::new(Arc::clone(&self.turns).acquire_many_owned(wanted).await.ok())
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        futures::FutureExt::now_or_never(future)
    }

    #[test]
    fn statements_wait_for_shares_and_the_rest_does_not() {
        let admission = Admission::new(3 * SHARE_BYTES, 8);
        let mut held: Vec<_> = (0..3)
            .map(|_| at_once(admission.admit(Need::Share)).expect("a share is free"))
            .collect();
        assert!(at_once(admission.admit(Need::Share)).is_none());
        assert!(at_once(admission.admit(Need::Little)).is_some());
        drop(held.pop());
        assert!(at_once(admission.admit(Need::Share)).is_some());
    }

    #[test]
    fn all_waits_for_all_and_keeps_everybody_out() {
        let admission = Admission::new(2 * SHARE_BYTES, 8);
        let one = at_once(admission.admit(Need::Share));
        assert!(at_once(admission.admit(Need::All)).is_none());
        drop(one);
        let all = at_once(admission.admit(Need::All));
        assert!(all.is_some());
        assert!(at_once(admission.admit(Need::Share)).is_none());
        assert!(at_once(admission.admit(Need::Little)).is_some());
    }

    #[test]
    fn shares_are_bounded_by_threads_and_one_is_always_there() {
        for (bytes, threads, shares) in
            [(0, 4, 1), (SHARE_BYTES * 3, 1, 2), (SHARE_BYTES * 3, 4, 3), (SHARE_BYTES * 100, 2, 4)]
        {
            assert_eq!(Admission::new(bytes, threads).shares, shares, "{bytes} {threads}");
        }
    }
}
