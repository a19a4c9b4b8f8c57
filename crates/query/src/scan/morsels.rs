//! Parts on their way from the Parquet source: the place of each condition is chosen when a part is
//! opened, and what is to be done after decoding is hung behind its batches.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::stream::BoxStream;

use super::after::After;
use super::choice::{Place, choose};
use super::source::Opening;

/// How parts are read under one choice.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) reader: Box<dyn Morselizer>,
    /// `None` where nothing is left to do.
    pub(super) after: Option<Arc<After>>,
}

/// Opens the parts of one partition of a scan.
pub(super) struct PartMorselizer {
    opening: Opening,
    /// What was prepared for the last choice.
    last: Mutex<Option<(Vec<Place>, Arc<Prepared>)>>,
}

impl PartMorselizer {
    pub(super) fn new(opening: Opening) -> Self {
        Self { opening, last: Mutex::default() }
    }

    fn prepared(&self) -> Result<Arc<Prepared>> {
        let conditions = self.opening.conditions();
        let known: Vec<_> = conditions.iter().map(|condition| condition.known()).collect();
        let places = choose(&known);
        conditions.iter().for_each(|condition| condition.seen.fade());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, prepared)) = last.as_ref().filter(|(before, _)| *before == places) {
            return Ok(Arc::clone(prepared));
        }
        let prepared = Arc::new(self.opening.prepare(&places)?);
        *last = Some((places, Arc::clone(&prepared)));
        Ok(prepared)
    }
}

impl fmt::Debug for PartMorselizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartMorselizer").finish_non_exhaustive()
    }
}

impl Morselizer for PartMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let prepared = self.prepared()?;
        let planner = prepared.reader.plan_file(file)?;
        Ok(match &prepared.after {
            None => planner,
            Some(after) => Box::new(Planner { planner, after: Arc::clone(after) }),
        })
    }
}

/// Opens one part.
#[derive(Debug)]
struct Planner {
    planner: Box<dyn MorselPlanner>,
    after: Arc<After>,
}

impl MorselPlanner for Planner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { planner, after } = *self;
        let Some(mut plan) = planner.plan()? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter();
        let morsels = morsels.map(|morsel| Checked { morsel, after: Arc::clone(&after) }.boxed());
        let ready = plan.take_ready_planners().into_iter();
        let ready = ready.map(|planner| Self { planner, after: Arc::clone(&after) }.boxed());
        let mut checked =
            MorselPlan::new().with_morsels(morsels.collect()).with_planners(ready.collect());
        if let Some(pending) = plan.take_pending_planner() {
            checked.set_pending_planner(async move {
                let planner = pending.into_future().await?;
                Ok(Self { planner, after }.boxed())
            });
        }
        Ok(Some(checked))
    }
}

impl Planner {
    fn boxed(self) -> Box<dyn MorselPlanner> {
        Box::new(self)
    }
}

/// The batches of a part, to be checked.
#[derive(Debug)]
struct Checked {
    morsel: Box<dyn Morsel>,
    after: Arc<After>,
}

impl Checked {
    fn boxed(self) -> Box<dyn Morsel> {
        Box::new(self)
    }
}

impl Morsel for Checked {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        self.after.apply(self.morsel.into_stream())
    }
}
