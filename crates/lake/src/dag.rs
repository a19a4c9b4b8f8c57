//! A table as the DAG that it is: what its leaves hold, and the same leaves under another root, as
//! one Parquet file.

use cidlake_block::Cid;
use cidlake_query::layout::LeafInfo;

use crate::error::Error;
use crate::lake::{Draft, Lake};

/// A table as one file.
#[derive(Clone, Copy, Debug)]
pub struct AsFile {
    /// The root of the file; a plain Parquet file for whoever fetches it.
    pub cid: Cid,
    /// Its bytes.
    pub bytes: u64,
    /// Bytes of the blocks that were not here before: its footer and the nodes over its leaves.
    pub new_bytes: u64,
}

/// A table's content, part by part.
#[derive(Clone, Debug)]
pub struct TableDag {
    /// The root of the content.
    pub cid: Cid,
    /// The commit.
    pub commit: Cid,
    /// The parts, in row order.
    pub parts: Vec<PartDag>,
}

/// One part with its leaves.
#[derive(Clone, Debug)]
pub struct PartDag {
    /// The root of its file.
    pub cid: Cid,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its leaves, in the order of the file.
    pub leaves: Vec<LeafInfo>,
}

impl Lake {
    /// Says of what blocks the table that `reference` means is made, and what each holds.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Corrupt` when a part cannot be read.
    pub async fn dag(&self, reference: &str) -> Result<TableDag, Error> {
        let _hold = self.hold().await?;
        let found = self.found(reference).await?;
        let (cid, commit) = (found.commit.content, found.cid);
        let listed = self.blocking(move |inner| inner.parts(&found.commit)).await?;
        let mut parts = Vec::with_capacity(listed.len());
        for part in &listed {
            let leaves = self.inner.engine.leaves(part).await?;
            parts.push(PartDag { cid: part.cid, rows: part.rows, bytes: part.bytes, leaves });
        }
        Ok(TableDag { cid, commit, parts })
    }

    /// Makes the table that `reference` means one Parquet file, without storing a row again, and
    /// pins it.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Internal` for parts of another layout.
    pub async fn as_file(&self, reference: &str) -> Result<AsFile, Error> {
        let hold = self.hold().await?;
        let found = self.found(reference).await?;
        if !found.commit.partition_columns.is_empty() {
            let columns = found.commit.partition_columns.join(", ");
            let message = format!("{reference} is partitioned by {columns}, which no file holds");
            return Err(Error::invalid(message).with_hint(format!(
                "`cidlake get {reference} --output table.parquet` writes one"
            )));
        }
        let parts = self.blocking(move |inner| inner.parts(&found.commit)).await?;
        let file = self.inner.engine.single_file(&parts).await?;
        self.blocking(move |inner| {
            let put = inner.store.put(&hold, &file.blocks)?;
            // The leaves were here before; nothing else need keep those of a version by its CID.
            if let Some(gone) = inner.keep_below(&hold, &file.root)? {
                return Err(Error::not_found(format!(
                    "block {gone} of the table is not in this lake"
                ))
                .with_hint("a version that no dataset keeps may have been collected"));
            }
            let ((), written) = inner.change(&hold, |view| {
                let pins = vec![(file.root, None)];
                let new = !view.pins.contains_key(&file.root);
                Ok(((), new.then(|| Draft { pins, ..Draft::default() })))
            })?;
            let new_bytes = put.new_bytes + written;
            Ok(AsFile { cid: file.root, bytes: file.bytes, new_bytes })
        })
        .await
    }
}
