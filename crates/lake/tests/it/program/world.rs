//! A machine with a lake on a disk in memory, the processes that use it, and what operations are
//! calls of.

use std::path::Path;
use std::sync::Arc;

use cidlake::arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use cidlake::arrow::datatypes::{DataType, Field, Schema};
use cidlake::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use cidlake::{
    AlterRequest, BatchSource, Cid, DeleteRequest, Doomed, Error, GcRequest, Keep, Lake,
    MaintainRequest, Open, Overrides, Settings, Source, StoreRequest, TagRequest, no_progress,
};
use cidlake_store::disk::{Disk, Faults, FaultyDisk, MemDisk};

use super::model::{Change, Dataset, Model, Op, Put};
use super::table::{Cell, Column, Kind, Table, quoted};

/// The key of everybody, so that a program writes the same blocks whenever it is run.
const KEY: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";
/// How many processes use a machine at once.
const PROCESSES: usize = 2;

/// What the lake answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// The newest version, where the operation makes one.
    pub commit: Option<Cid>,
    /// Whether nothing was done.
    pub unchanged: bool,
    /// Numbers, as the model's outcome has them.
    pub counts: Vec<u64>,
}

/// A disk and the processes on it.
pub struct Machine {
    folder: tempfile::TempDir,
    pub disk: MemDisk,
    processes: [Option<Process>; PROCESSES],
}

pub struct Process {
    disk: MemDisk,
    pub faults: Faults,
    pub lake: Lake,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), KEY).unwrap();
        Self { folder, disk: MemDisk::new(), processes: [None, None] }
    }

    /// The same key and a copy of the disk, with nobody on it.
    pub fn fork(&self) -> Self {
        Self { disk: self.disk.fork(), ..Self::new() }
    }

    fn settings(&self) -> Settings {
        Settings::load(Overrides {
            lake: Some(Path::new("/lake").into()),
            key_file: Some(self.folder.path().join("key")),
            threads: Some(2),
            ..Overrides::default()
        })
        .unwrap()
    }

    /// Opens the lake on `disk`, which shows the machine's.
    pub async fn open_on(&self, disk: Arc<dyn Disk>) -> Result<Lake, Error> {
        Lake::open_on(disk, self.settings(), Open::Create).await
    }

    /// Opens the lake for a process that has not, and lets that fail from operation `until` on.
    pub async fn begin(&mut self, process: usize, until: u64) -> Result<(), Error> {
        let disk = self.disk.process();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let faults = faulty.faults();
        faults.fail_from(until);
        let opened = self.open_on(Arc::new(faulty)).await;
        let lake = match opened {
            Ok(lake) => lake,
            Err(error) => {
                disk.kill();
                return Err(error);
            }
        };
        faults.clear();
        self.processes[process] = Some(Process { disk, faults, lake });
        Ok(())
    }

    /// A process, which begins where it has not.
    pub async fn process(&mut self, process: usize) -> &Process {
        if self.processes[process].is_none() {
            self.begin(process, u64::MAX).await.expect("the lake opens");
        }
        self.processes[process].as_ref().expect("it has begun")
    }

    /// Lets a process leave.
    pub async fn close(&mut self, process: usize) {
        if let Some(Process { lake, .. }) = self.processes[process].take() {
            lake.close().await.expect("the lake closes");
        }
    }

    /// Ends a process where it is.
    pub fn kill(&mut self, process: usize) {
        if let Some(ended) = self.processes[process].take() {
            ended.disk.kill();
        }
    }

    /// Ends everybody, and what was not synced is there or not.
    pub fn cut_power(&mut self, seed: u64) {
        (0..PROCESSES).for_each(|process| self.kill(process));
        self.disk.crash(seed);
    }
}

/// Rows as a program hands them in.
pub fn batch(table: &Table) -> RecordBatch {
    let kind = |kind| match kind {
        Kind::Int => DataType::Int32,
        Kind::Long => DataType::Int64,
        Kind::Text => DataType::Utf8,
    };
    let fields =
        table.columns.iter().map(|column| Field::new(&column.name, kind(column.kind), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = table.columns.iter().enumerate().map(|(place, column)| {
        let cells = table.rows.iter().map(|row| &row[place]);
        array(column.kind, cells)
    });
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows.len()));
    RecordBatch::try_new_with_options(schema, columns.collect(), &options).unwrap()
}

fn array<'a>(kind: Kind, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let number = |cell: &Cell| match cell {
        Cell::Null => None,
        Cell::Number(number) => Some(*number),
        Cell::Text(text) => panic!("{text:?} is no number"),
    };
    match kind {
        Kind::Int => Arc::new(
            cells
                .map(|cell| number(cell).map(|number| i32::try_from(number).unwrap()))
                .collect::<Int32Array>(),
        ),
        Kind::Long => Arc::new(cells.map(number).collect::<Int64Array>()),
        Kind::Text => Arc::new(
            cells
                .map(|cell| match cell {
                    Cell::Null => None,
                    Cell::Text(text) => Some(text.as_str()),
                    Cell::Number(number) => panic!("{number} is no text"),
                })
                .collect::<StringArray>(),
        ),
    }
}

/// Does an operation to a lake; `model` is of it.
pub async fn perform(lake: &Lake, model: &Model, op: &Op) -> Result<Answer, Error> {
    match op {
        Op::Put(put) => store(lake, put).await,
        Op::Delete { name, rows } => {
            let rows = rows.as_ref().map_or(Doomed::All, |rows| Doomed::Where(rows.sql()));
            let request = DeleteRequest { rows, dry_run: false, message: None };
            let done = lake.delete(name, request, no_progress()).await?;
            let (unchanged, counts) = (done.rows_deleted == 0, vec![done.rows_deleted, done.rows]);
            Ok(Answer { commit: Some(done.commit), unchanged, counts })
        }
        Op::Alter { name, change } => {
            let done = lake.alter(name, alteration(change), no_progress()).await?;
            let counts = vec![done.rows, done.columns.len() as u64];
            Ok(Answer { commit: Some(done.commit), unchanged: done.unchanged, counts })
        }
        Op::Compact { name } => {
            let done = lake.compact(name, no_progress()).await?;
            let counts = vec![done.rows];
            Ok(Answer { commit: Some(done.commit), unchanged: done.unchanged, counts })
        }
        Op::Restore { name, version } => {
            let suffix = model.datasets.get(name).map(|dataset: &Dataset| dataset.suffix(version));
            let suffix = suffix.unwrap_or_else(|| "~0".to_owned());
            let done = lake.restore(name, &of_name(name, suffix), None).await?;
            let counts = vec![done.rows, done.rows_before];
            Ok(Answer { commit: Some(done.commit), unchanged: done.unchanged, counts })
        }
        Op::Expire { name, keep } => {
            let keep = Keep::parse(&keep.to_string())?;
            let done = lake.expire(name, keep, false).await?;
            let counts = vec![done.versions_kept, done.versions_expired, done.versions_tagged];
            Ok(Answer { counts, ..Answer::default() })
        }
        op => {
            change_names(lake, model, op).await?;
            Ok(Answer::default())
        }
    }
}

async fn change_names(lake: &Lake, model: &Model, op: &Op) -> Result<(), Error> {
    match op {
        Op::Tag { name, tag, version, force } => {
            let suffix = model.datasets.get(name).map(|dataset| dataset.suffix(version));
            let version = suffix.map(|suffix| of_name(name, suffix));
            let request = TagRequest { tag: tag.clone(), version, force: *force };
            lake.tag(name, request).await.map(drop)
        }
        Op::Untag { name, tag } => lake.untag(name, tag).await.map(drop),
        Op::Drop { name } => lake.drop_dataset(name).await.map(drop),
        Op::Rename { from, to } => lake.rename(from, to).await.map(drop),
        Op::Collect => {
            let done = lake.gc(GcRequest::default(), no_progress()).await?;
            assert!(done.damage.is_empty(), "{done:?}");
            Ok(())
        }
        Op::Maintain => {
            let request = MaintainRequest { compact: false, gc: true };
            lake.maintain(request, no_progress()).await.map(drop)
        }
        op => unreachable!("{op:?} makes versions"),
    }
}

/// A version as it is named beside a dataset: by a commit alone, else with the name before it.
fn of_name(name: &str, suffix: String) -> String {
    match suffix.strip_prefix('@').filter(|rest| rest.len() > 40) {
        Some(commit) => commit.to_owned(),
        None => format!("{name}{suffix}"),
    }
}

/// The request that stores rows.
pub fn request(put: &Put) -> StoreRequest {
    let batch = batch(&put.table);
    let source = BatchSource {
        label: "rows".into(),
        schema: batch.schema(),
        batches: Box::new(std::iter::once(Ok(batch))),
        rows_total: None,
    };
    StoreRequest {
        sources: vec![Source::Batches(source)],
        name: Some(put.name.clone()),
        mode: put.mode,
        key: put.key.clone(),
        metadata: put.table.words.clone(),
        ..StoreRequest::default()
    }
}

async fn store(lake: &Lake, put: &Put) -> Result<Answer, Error> {
    let done = lake.store(request(put), no_progress()).await?;
    let mut counts = match done.upserted {
        Some(done) => vec![done.rows_updated, done.rows_inserted, done.rows_unchanged],
        None => Vec::new(),
    };
    counts.push(done.rows);
    Ok(Answer { commit: Some(done.commit), unchanged: done.unchanged, counts })
}

fn alteration(change: &Change) -> AlterRequest {
    let column = |column: &Column| format!("{} {}", quoted(&column.name), column.kind.sql());
    let added = |(of, value): &(Column, Cell)| match value {
        Cell::Null => column(of),
        value => format!("{} DEFAULT {}", column(of), value.sql()),
    };
    AlterRequest {
        add: change.add.iter().map(added).collect(),
        drop: change.drop.clone(),
        rename: change.rename.clone(),
        widen: change.widen.iter().map(column).collect(),
        key: change.key.clone(),
        set: change.set.clone(),
        unset: change.unset.clone(),
        message: None,
    }
}
