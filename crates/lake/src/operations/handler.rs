//! What runs operations of a kind, and the list of who does here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use cidlake_store::{NewOperation, OperationId, OperationParams, OperationResult};

use crate::error::Error;
use crate::lake::Lake;
use crate::progress::Progress;
use crate::rows::Stop;

/// Runs operations of one kind. What it does may be done twice: a process may end after the work and
/// before that was noted.
pub trait Handler: Send + Sync {
    /// Looks whether parameters are such that [`Self::run`] can do something with them, before
    /// anything is queued.
    ///
    /// # Errors
    /// `Invalid` says what is wrong with them.
    fn check(&self, params: &OperationParams) -> Result<(), Error>;

    /// Does the work, on a thread that may block. It should look at [`Job::stop`] now and then.
    ///
    /// # Errors
    /// What is worth another attempt is `Unavailable`, `Conflict` or `Internal`; any other kind ends
    /// the operation as failed.
    fn run(&self, lake: &Lake, job: &Job) -> Result<OperationResult, Error>;
}

/// An operation as its handler gets it.
#[derive(Clone)]
pub struct Job {
    /// Its number.
    pub id: OperationId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// With what it is to be done.
    pub params: OperationParams,
    /// Says when to end: somebody else has the operation.
    pub stop: Stop,
    /// Who listens to how far it has come.
    pub progress: Progress,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The handlers of this process.
pub(crate) struct Handlers(RwLock<BTreeMap<Arc<str>, Arc<dyn Handler>>>);

impl Handlers {
    pub(super) fn of(handlers: Vec<(&str, Arc<dyn Handler>)>) -> Self {
        let handlers = handlers.into_iter().map(|(kind, handler)| (Arc::from(kind), handler));
        Self(RwLock::new(handlers.collect()))
    }

    pub(super) fn register(&self, kind: &str, handler: Arc<dyn Handler>) -> Result<(), Error> {
        NewOperation::new(kind, OperationParams::default())?;
        let mut handlers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if handlers.contains_key(kind) {
            return Err(Error::usage(format!("operations of kind {kind:?} have a handler")));
        }
        handlers.insert(kind.into(), handler);
        Ok(())
    }

    pub(super) fn get(&self, kind: &str) -> Option<Arc<dyn Handler>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    /// Returns the kinds that have a handler.
    pub(crate) fn kinds(&self) -> Vec<Arc<str>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Says that nobody handles a kind here.
    pub(super) fn unknown(&self, kind: &str) -> Error {
        let kinds: Vec<String> = self.kinds().iter().map(ToString::to_string).collect();
        let near = cidlake_query::near(kind, &kinds);
        let hint = match near.first() {
            Some(near) => format!("did you mean {near}? there are {}", kinds.join(", ")),
            None => format!("there are {}", kinds.join(", ")),
        };
        Error::usage(format!("nobody handles operations of kind {kind:?} here")).with_hint(hint)
    }
}
