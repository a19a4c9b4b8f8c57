//! Three embedded stores, set so that what they acknowledge is on the disk.
//!
//! A record is 256 bytes everywhere: for a rival a key of 8 bytes and a value of 248.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{KeyspaceCreateOptions, PersistMode};
use redb::TableDefinition;
use rusqlite::Connection;

use crate::Failure;
use crate::random::Random;

/// The size of a record, in bytes.
pub(crate) const RECORD_BYTES: usize = 256;

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// What is made durable.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: u64,
    /// Printable characters, together with the key [`RECORD_BYTES`] long.
    pub(crate) text: String,
}

/// Makes records, each with a key of its own.
#[derive(Debug, Default)]
pub(crate) struct Records(AtomicU64);

impl Records {
    pub(crate) fn next(&self, random: &mut Random) -> Record {
        let key = self.0.fetch_add(1, Ordering::Relaxed);
        Record { key, text: random.text(RECORD_BYTES - 8) }
    }
}

/// Who takes records and makes them durable.
pub(crate) trait Append: Sync {
    /// Returns what it is called in the table.
    fn name(&self) -> &'static str;
    /// Appends records as a whole, which are durable when this returns.
    fn append(&self, records: &[Record]) -> Result<(), Failure>;
}

/// redb with its default durability, `Immediate`.
pub(crate) struct Redb(redb::Database);

impl Redb {
    pub(crate) fn create(folder: &Path) -> Result<Self, Failure> {
        let database = redb::Database::create(folder.join("redb"))?;
        let write = database.begin_write()?;
        write.open_table(TABLE)?;
        write.commit()?;
        Ok(Self(database))
    }
}

impl Append for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn append(&self, records: &[Record]) -> Result<(), Failure> {
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(TABLE)?;
            for record in records {
                table.insert(record.key, record.text.as_bytes())?;
            }
        }
        write.commit()?;
        Ok(())
    }
}

/// fjall, persisted with `SyncData` after each write.
pub(crate) struct Fjall {
    database: fjall::Database,
    keyspace: fjall::Keyspace,
}

impl Fjall {
    pub(crate) fn create(folder: &Path) -> Result<Self, Failure> {
        let database = fjall::Database::builder(folder.join("fjall")).open()?;
        let keyspace = database.keyspace("records", KeyspaceCreateOptions::default)?;
        Ok(Self { database, keyspace })
    }
}

impl Append for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn append(&self, records: &[Record]) -> Result<(), Failure> {
        if let [record] = records {
            self.keyspace.insert(record.key.to_be_bytes(), record.text.as_bytes())?;
            self.database.persist(PersistMode::SyncData)?;
            return Ok(());
        }
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for record in records {
            batch.insert(&self.keyspace, record.key.to_be_bytes(), record.text.as_bytes());
        }
        batch.commit()?;
        Ok(())
    }
}

/// SQLite with a write-ahead log and full syncs. Threads share one connection: they would wait
/// for each other anyhow, and here they do it without polling.
pub(crate) struct Sqlite(Mutex<Connection>);

impl Sqlite {
    pub(crate) fn create(folder: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(folder.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute("CREATE TABLE records (key INTEGER PRIMARY KEY, text BLOB)", ())?;
        Ok(Self(Mutex::new(connection)))
    }
}

impl Append for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn append(&self, records: &[Record]) -> Result<(), Failure> {
        let mut connection = self.0.lock().map_err(|_| "another writer panicked")?;
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2)")?;
            for record in records {
                let key = i64::try_from(record.key)?;
                insert.execute((key, record.text.as_bytes()))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
