//! What names mean to statements that are to see one state of the lake: whoever runs a statement a
//! second time gets the same rows although datasets have changed since. It holds versions, not
//! blocks: what is taken away meanwhile is not there the second time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cidlake_query::Resolved;

/// What names and table functions mean to all statements that are given clones of one snapshot:
/// what they meant to the first statement that asked.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Arc<Mutex<BTreeMap<String, Resolved>>>);

impl Snapshot {
    /// Returns what `asked` meant before, if it was asked for.
    pub(super) fn meaning(&self, asked: &str) -> Option<Resolved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    /// Notes what `asked` means; what was noted first counts.
    pub(super) fn note(&self, asked: String, means: &Resolved) {
        let mut meanings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meanings.entry(asked).or_insert_with(|| means.clone());
    }
}

/// Returns how a call of a table function is noted; no reference has a bracket in it.
pub(super) fn call_text(name: &str, args: &[String]) -> String {
    format!("{name}({args:?})")
}
