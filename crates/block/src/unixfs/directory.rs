//! Building folders: one node while it is small, a sharded tree of nodes beyond
//! [`SHARD_BYTES`](super::SHARD_BYTES); and the symbolic links that stand in them.

use bytes::Bytes;

use super::node::{Type, UnixFsNode};
use super::{Dag, Entry, SHARD_BYTES, UnixFsError, hamt};
use crate::codec::dag_pb::Link;

/// Builds the folder of `entries`, sorted by name.
///
/// # Errors
/// [`UnixFsError::BadName`] for a name that is empty, has a slash or stands twice.
pub fn directory(mut entries: Vec<Entry>) -> Result<Dag, UnixFsError> {
    entries.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    check_names(&entries)?;
    let below: u64 = entries.iter().map(|entry| entry.tsize).sum();
    let mut node = UnixFsNode::new(Type::Directory);
    node.links = entries
        .iter()
        .map(|entry| Link {
            cid: entry.cid,
            name: Some(entry.name.clone()),
            tsize: Some(entry.tsize),
        })
        .collect();
    let block = node.block();
    if block.len() > SHARD_BYTES {
        return hamt::build(entries);
    }
    let tsize = below + block.len() as u64;
    Ok(Dag { root: *block.cid(), len: 0, tsize, nodes: vec![block] })
}

/// Builds the symbolic link to `target`, a path that is kept as it is and never followed here.
#[must_use]
pub fn symlink(target: impl Into<Bytes>) -> Dag {
    let mut node = UnixFsNode::new(Type::Symlink);
    node.data = Some(target.into());
    let block = node.block();
    Dag { root: *block.cid(), len: 0, tsize: block.len() as u64, nodes: vec![block] }
}

fn check_names(entries: &[Entry]) -> Result<(), UnixFsError> {
    let mut before: Option<&str> = None;
    for entry in entries {
        let name = entry.name.as_str();
        if name.is_empty() || name.contains('/') || before == Some(name) {
            return Err(UnixFsError::BadName { name: name.to_owned() });
        }
        before = Some(name);
    }
    Ok(())
}
