//! Numbers of EXPLAIN ANALYZE beside those of whoever hands the blocks out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Int64Array, RecordBatch};
use cidlake_block::MemBlocks;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionContext, col, lit};
use futures::StreamExt as _;

use super::*;
use crate::engine::tests::{batch_of, now, table_of};
use crate::engine::{Engine, EngineOptions};
use crate::part_files::Reading;
use crate::table::{PartsProvider, Table, Types};

/// Blocks that are far away until they are said to be near, and are counted as they go out.
#[derive(Debug, Default)]
struct Far {
    blocks: MemBlocks,
    is_near: AtomicBool,
    read: Mutex<Vec<usize>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Blocks for Far {
    async fn get(&self, cid: &Cid) -> Result<Block, BlocksError> {
        let block = self.blocks.get(cid).await?;
        self.read.lock().unwrap().push(block.len());
        Ok(block)
    }

    fn cached(&self, cid: &Cid) -> Option<Block> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.blocks.cached(cid).filter(|_| self.is_near.load(Ordering::Relaxed))
    }

    async fn has(&self, cid: &Cid) -> Result<bool, BlocksError> {
        self.blocks.has(cid).await
    }

    async fn put_many(&self, blocks: Vec<Block>) -> Result<PutReport, BlocksError> {
        self.blocks.put_many(blocks).await
    }
}

fn engine_over(blocks: &Arc<Far>) -> Engine {
    let options =
        EngineOptions { memory_bytes_max: 64 << 20, threads: 1, footer_cache_bytes: 1 << 20 };
    Engine::new(Arc::clone(blocks) as Arc<dyn Blocks>, options).unwrap()
}

/// Runs `SELECT * FROM table WHERE n >= 100 AND n < 105` and prints the plan as EXPLAIN ANALYZE does.
fn explained(engine: &Engine, table: &Arc<Table>) -> String {
    let (files, reading) = (Arc::clone(engine.files()), Arc::new(Reading::default()));
    let provider = PartsProvider::of_table(table, Types::Sql, files, reading).unwrap();
    let context = SessionContext::new_with_state(engine.state().clone());
    let condition = col("n").gt_eq(lit(100_i64)).and(col("n").lt(lit(105_i64)));
    let frame = context.read_table(Arc::new(provider)).unwrap().filter(condition).unwrap();
    let task = Arc::new(frame.task_ctx());
    let plan = now(frame.create_physical_plan()).unwrap();
    let mut stream = execute_stream(Arc::clone(&plan), task).unwrap();
    let mut rows = 0;
    while let Some(batch) = now(stream.next()) {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 5);
    DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false).to_string()
}

fn numbers(from: i64) -> RecordBatch {
    batch_of(vec![("n", Arc::new(Int64Array::from_iter_values(from..from + 10)))])
}

#[test]
fn what_is_printed_is_what_was_read() {
    let blocks = Arc::new(Far::default());
    let table = table_of(&blocks.blocks, &[numbers(0), numbers(100), numbers(200)]);
    let engine = engine_over(&blocks);
    let text = explained(&engine, &table);
    assert!(text.contains("parts_total=3"), "{text}");
    assert!(text.contains("parts_pruned=2"), "{text}");
    assert!(text.contains("parts_read=1"), "{text}");
    assert!(text.contains("blocks_from_memory=0"), "{text}");
    // The lists of parts are read for the plan, before anything is counted.
    let lists = now(crate::parts::read_lists(blocks.as_ref(), &table.commit.parts)).unwrap().len();
    let read = blocks.read.lock().unwrap().len() - 2 * lists;
    assert!(read > 0);
    assert!(text.contains(&format!("blocks_from_packs={read}")), "{read}: {text}");

    // The footer is at hand now, and everything else is in memory.
    blocks.is_near.store(true, Ordering::Relaxed);
    let before = blocks.read.lock().unwrap().len();
    let text = explained(&engine, &table);
    assert!(text.contains("parts_read=1"), "{text}");
    assert!(text.contains("blocks_from_packs=0"), "{text}");
    assert!(!text.contains("blocks_from_memory=0"), "{text}");
    let read = blocks.read.lock().unwrap().len();
    assert!(read - before <= lists, "nothing but lists goes another way");
}

#[test]
fn bytes_are_those_of_blocks() {
    let metrics = ExecutionPlanMetricsSet::new();
    let tally = Tally::new(&metrics, 0);
    let far = Far::default();
    let data = [&b"abc"[..], b"de"].map(bytes::Bytes::from);
    let all = data.map(|data| Block::new(cidlake_block::Codec::Raw, data));
    let cids = all.each_ref().map(|block| *block.cid());
    now(far.put_many(all.to_vec())).unwrap();
    let tallied = Tallied { blocks: &far, tally: &tally };
    assert_eq!(now(tallied.get_many(&cids)).unwrap(), all);
    far.is_near.store(true, Ordering::Relaxed);
    assert_eq!(now(tallied.get(&cids[1])).unwrap(), all[1]);
    let counted =
        [&tally.packs, &tally.memory].map(|tier| (tier.blocks.value(), tier.bytes.value()));
    assert_eq!(counted, [(2, 5), (1, 2)]);
    assert_eq!(far.asked.load(Ordering::Relaxed), 3);
}
