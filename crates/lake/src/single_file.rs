//! A table as one Parquet file: the same leaves under another root.

use cidlake_block::Cid;

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

impl Lake {
    /// Makes the table that `reference` means one Parquet file, without storing a row again, and
    /// pins it.
    ///
    /// # Errors
    /// `NotFound` and `Usage` as for every reference; `Internal` for parts of another layout.
    pub async fn as_file(&self, reference: &str) -> Result<AsFile, Error> {
        let found = self.found(reference).await?;
        let parts = self.blocking(move |inner| inner.parts(&found.commit)).await?;
        let file = self.inner.engine.single_file(&parts).await?;
        self.blocking(move |inner| {
            let put = inner.store.put(&file.blocks)?;
            // A table of one part is that part, which its commit keeps.
            let wanted = !file.blocks.is_empty();
            let ((), written) = inner.change(|view| {
                let pins = vec![(file.root, None)];
                let new = wanted && !view.pins.contains_key(&file.root);
                Ok(((), new.then(|| Draft { pins, ..Draft::default() })))
            })?;
            let new_bytes = put.new_bytes + written;
            Ok(AsFile { cid: file.root, bytes: file.bytes, new_bytes })
        })
        .await
    }
}
