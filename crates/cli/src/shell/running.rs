//! Running work that may take long while somebody waits at the terminal: Ctrl-C stops it, and after a
//! second there is a sign of life.
//!
//! What the work is, and what is said of its end, is not known here.

use std::pin::pin;
use std::time::Duration;

use cidlake::{Error, ErrorKind, Stop};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use crate::progress::Spinner;

/// How long nothing is shown.
const DELAY: Duration = Duration::from_secs(1);
/// How often the sign of life moves.
const PERIOD: Duration = Duration::from_millis(100);
/// How long what was stopped may take to end before nobody waits for it any more.
const GRACE: Duration = Duration::from_millis(500);

/// How work may be stopped.
#[derive(Clone, Debug)]
pub(super) struct Stoppable {
    /// What it looks at.
    pub(super) stop: Stop,
    /// Whether it may write: then it ends by itself, and only it knows whether it has written.
    pub(super) writes: bool,
}

/// Hears Ctrl-C and sees time pass, on a runtime of its own: work may keep every thread of the other
/// busy without ever waiting, and then the timers and signals of that one wait, too.
pub(super) struct Watcher {
    /// Taken when this is dropped, where nothing may be waited for.
    runtime: Option<Runtime>,
}

impl Watcher {
    /// Takes interrupts from here on: between two statements they do nothing, and do not end the
    /// program.
    ///
    /// # Errors
    /// `Unavailable` where the machine has no more of what a runtime needs.
    pub(super) fn new() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the shell could not be started").with_source(error)
        })?;
        let watcher = Self { runtime: Some(runtime) };
        watcher.wait_for(async {
            tokio::select! {
                biased;
                // Asked first, it begins to listen; it is not waited for.
                () = interrupted() => {}
                () = std::future::ready(()) => {}
            }
            Ok(())
        })?;
        Ok(watcher)
    }

    /// Runs work on the threads of the program to its end, or until Ctrl-C; then there is no answer.
    ///
    /// # Errors
    /// Those of the work.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        how: Stoppable,
        spinner: &Spinner,
    ) -> Result<Option<T>, Error> {
        let answer = self.wait_for(watched(tokio::spawn(work), how, spinner));
        spinner.clear();
        answer
    }

    fn wait_for<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::new(ErrorKind::Internal, "the shell has ended"));
        };
        tokio::task::block_in_place(|| runtime.block_on(work))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits for Ctrl-C; for ever where it cannot be heard. Once it was asked, Ctrl-C no longer ends the
/// program by itself.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn watched<T: Send + 'static>(
    mut task: JoinHandle<Result<T, Error>>,
    how: Stoppable,
    spinner: &Spinner,
) -> Result<Option<T>, Error> {
    let mut interrupt = pin!(interrupted());
    let mut ticks = tokio::time::interval_at(Instant::now() + DELAY, PERIOD);
    loop {
        tokio::select! {
            biased;
            ended = &mut task => return answer(ended).map(Some),
            () = &mut interrupt => return stopped(task, how).await,
            _ = ticks.tick() => spinner.tick(),
        }
    }
}

async fn stopped<T: Send + 'static>(
    mut task: JoinHandle<Result<T, Error>>,
    how: Stoppable,
) -> Result<Option<T>, Error> {
    how.stop.stop();
    let ended = match tokio::time::timeout(GRACE, &mut task).await {
        Ok(ended) => ended,
        Err(_) if how.writes => task.await,
        Err(_) => {
            task.abort();
            return Ok(None);
        }
    };
    // It came to its end before it was told, or it says that it was stopped.
    Ok(answer(ended).ok())
}

fn answer<T>(ended: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    match ended {
        Ok(answer) => answer,
        Err(join) => match join.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::new(ErrorKind::Internal, "the statement was given up")),
        },
    }
}

#[cfg(test)]
mod tests {
    use cidlake::{Error, ErrorKind, Stop};
    use tokio::runtime::{Builder, Runtime};

    use super::{Stoppable, Watcher, stopped};
    use crate::progress::Spinner;

    fn how(writes: bool) -> Stoppable {
        Stoppable { stop: Stop::default(), writes }
    }

    fn runtime() -> Runtime {
        Builder::new_multi_thread().enable_all().build().unwrap()
    }

    #[test]
    fn work_that_ends_has_its_answer() {
        runtime().block_on(async {
            let watcher = Watcher::new().unwrap();
            let done = watcher.run(async { Ok(7) }, how(false), &Spinner::new(false));
            assert_eq!(done.unwrap(), Some(7));
            let work = async { Err::<(), _>(Error::new(ErrorKind::Invalid, "no")) };
            let failed = watcher.run(work, how(false), &Spinner::new(false));
            assert_eq!(failed.unwrap_err().kind(), ErrorKind::Invalid);
        });
    }

    #[test]
    fn what_was_stopped_is_left_alone_unless_it_writes() {
        runtime().block_on(async {
            let endless = tokio::spawn(std::future::pending::<Result<(), Error>>());
            assert_eq!(stopped(endless, how(false)).await.unwrap(), None);
            let written = tokio::spawn(async { Ok(1) });
            assert_eq!(stopped(written, how(true)).await.unwrap(), Some(1));
            let told = async { Err::<(), _>(Error::new(ErrorKind::Unavailable, "stopped")) };
            assert_eq!(stopped(tokio::spawn(told), how(true)).await.unwrap(), None);
        });
    }
}
