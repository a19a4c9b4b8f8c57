//! Running a checked plan: when its turn has come, and once more with operators that spill where
//! memory was not enough.
//!
//! The first batch is waited for. Up to it nothing was handed out, so a statement may begin anew;
//! what holds rows in memory has mostly taken them in by then.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::dataframe::DataFrame;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::{FutureExt as _, StreamExt as _};

use crate::engine::Engine;
use crate::guard::{Need, need_of};
use crate::part_files::Reading;
use crate::watch::{GoOn, watched};

/// Rows of a batch where memory was not enough.
const SPILLING_BATCH_ROWS: usize = 1_024;
/// How many moments a second attempt waits for memory of the first.
const PAUSES_MAX: usize = 200;

/// A checked plan.
pub(crate) struct Execution<'a> {
    pub(crate) plan: LogicalPlan,
    pub(crate) engine: &'a Engine,
    pub(crate) go_on: &'a GoOn,
    pub(crate) reading: &'a Reading,
}

impl Execution<'_> {
    /// Begins to run the plan in the session `state`.
    pub(crate) async fn start(&self, state: SessionState) -> Result<SendableRecordBatchStream> {
        match self.attempt(state.clone(), None).await {
            // Its turn is given back by now, or it would wait for itself.
            Err(error) if is_memory(&error) => {
                self.reading.begin_again();
                self.attempt(spilling(state)?, Some(Need::All)).await
            }
            begun => begun,
        }
    }

    async fn attempt(
        &self,
        state: SessionState,
        need: Option<Need>,
    ) -> Result<SendableRecordBatchStream> {
        let plan = DataFrame::new(state.clone(), self.plan.clone()).create_physical_plan().await?;
        let is_second = need.is_some();
        let need = need.unwrap_or_else(|| need_of(&plan));
        let plan = watched(plan, self.go_on)?;
        let turn = self.engine.admit().admit(need).await;
        if is_second {
            self.memory_is_given_back(&state).await;
        }
        let context = Arc::new(TaskContext::from(&self.session(state, need)?));
        // A panic, which foreign bytes may cause in a decoder, is an error from the first batch on.
        let begun = AssertUnwindSafe(begun(plan, context)).catch_unwind().await;
        let (first, stream) =
            begun.unwrap_or_else(|_| internal_err!("the engine failed on these data"))?;
        let schema = stream.schema();
        let first = futures::stream::iter(first.map(Ok));
        // The folder of what is spilled is there as long as anything is read of it.
        let turn = Box::new((turn, self.engine.spill()));
        Ok(held(
            schema,
            Box::pin(RecordBatchStreamAdapter::new(stream.schema(), first.chain(stream))),
            turn,
        ))
    }

    /// Waits for tasks of the first attempt that are still to notice, and hold memory until then. What
    /// others hold that need little is not waited for longer.
    async fn memory_is_given_back(&self, state: &SessionState) {
        for _ in 0..PAUSES_MAX {
            if state.runtime_env().memory_pool.reserved() == 0 {
                return;
            }
            self.engine.admit().pause().await;
        }
    }

    /// Returns the session in which a plan runs that needs so much.
    fn session(&self, state: SessionState, need: Need) -> Result<SessionState> {
        if need == Need::Little {
            return Ok(state);
        }
        let env = self.engine.spilling()?;
        Ok(SessionStateBuilder::new_from_existing(state).with_runtime_env(env).build())
    }
}

/// Begins to run a plan: its first batch, and the others.
async fn begun(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<(Option<RecordBatch>, SendableRecordBatchStream)> {
    let mut stream = execute_stream(plan, context)?;
    let first = stream.next().await.transpose()?;
    Ok((first, stream))
}

/// Returns a stream that gives its turn back when it is dropped.
fn held(
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
    turn: Box<dyn Any + Send + Sync>,
) -> SendableRecordBatchStream {
    let stream = stream.map(move |batch| {
        let _held = &turn;
        batch
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// Returns a session whose joins sort and spill, and hash nothing.
fn spilling(state: SessionState) -> Result<SessionState> {
    let mut config = state.config().clone();
    let more = config.options_mut();
    more.optimizer.prefer_hash_join = false;
    // Merging holds a batch of each run that it merges.
    more.execution.batch_size = ConfigNonZeroUsize::try_new(SPILLING_BATCH_ROWS)?;
    Ok(SessionStateBuilder::new_from_existing(state).with_config(config).build())
}

/// Whether memory was not enough.
fn is_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}
