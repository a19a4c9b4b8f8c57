//! Reading folders: what a root is, what is in it, and where a path leads.

use super::hamt::{FANOUT, HASH_TYPE, SLOT_DIGITS};
use super::murmur::murmur3_x64_64;
use super::node::{Type, UnixFsNode, refuse};
use super::{Entry, Kind, UnixFsError};
use crate::blocks::Blocks;
use crate::cid::{Cid, Codec};
use crate::codec::dag_pb::Link;
use crate::limits::UNIXFS_DEPTH_MAX;

/// Says what the root `cid` is.
///
/// # Errors
/// When the block cannot be had or is no UnixFS node.
pub async fn kind(blocks: &dyn Blocks, cid: &Cid) -> Result<Kind, UnixFsError> {
    if matches!(Codec::of(cid), Ok(Codec::Raw)) {
        if blocks.has(cid).await? {
            return Ok(Kind::File);
        }
        return Err(crate::blocks::BlocksError::NotFound { cid: *cid }.into());
    }
    Ok(match node(blocks, cid).await?.kind {
        Type::Raw | Type::File => Kind::File,
        Type::Directory | Type::HamtShard => Kind::Directory,
        Type::Symlink => Kind::Symlink,
    })
}

/// Returns where the symbolic link `cid` points.
///
/// # Errors
/// When the block cannot be had or is no symbolic link.
pub async fn link_target(blocks: &dyn Blocks, cid: &Cid) -> Result<String, UnixFsError> {
    let node = node(blocks, cid).await?;
    if node.kind != Type::Symlink {
        return Err(refuse(*cid, "it is no symbolic link"));
    }
    Ok(String::from_utf8_lossy(&node.data.unwrap_or_default()).into_owned())
}

async fn node(blocks: &dyn Blocks, cid: &Cid) -> Result<UnixFsNode, UnixFsError> {
    if !matches!(Codec::of(cid), Ok(Codec::DagPb)) {
        return Err(refuse(*cid, "it is not DAG-PB"));
    }
    UnixFsNode::decode(&blocks.get(cid).await?)
}

/// Lists the folder at `root`, plain or sharded, by name.
///
/// # Errors
/// [`UnixFsError::NotADirectory`] for a file; otherwise what is wrong with which block.
pub async fn list(blocks: &dyn Blocks, root: &Cid) -> Result<Vec<Entry>, UnixFsError> {
    if matches!(Codec::of(root), Ok(Codec::Raw)) {
        return Err(UnixFsError::NotADirectory { cid: *root });
    }
    let mut entries = Vec::new();
    let mut waiting = vec![(*root, 0_usize)];
    while let Some((cid, depth)) = waiting.pop() {
        if depth > UNIXFS_DEPTH_MAX {
            return Err(UnixFsError::TooDeep { root: *root });
        }
        let node = node(blocks, &cid).await?;
        match node.kind {
            Type::Directory if depth == 0 => {
                entries.extend(node.links.into_iter().map(|link| entry(link, 0)));
            }
            Type::HamtShard => {
                check_shard(&cid, &node)?;
                for link in node.links {
                    if slot_and_name(&cid, &link)?.1.is_empty() {
                        waiting.push((link.cid, depth + 1));
                    } else {
                        entries.push(entry(link, SLOT_DIGITS));
                    }
                }
            }
            _ => return Err(UnixFsError::NotADirectory { cid }),
        }
    }
    entries.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(entries)
}

/// Follows `path`, names joined by slashes, from `root`. The empty path is the root itself.
///
/// # Errors
/// [`UnixFsError::PathNotFound`] names the first name that is missing.
pub async fn resolve(blocks: &dyn Blocks, root: &Cid, path: &str) -> Result<Cid, UnixFsError> {
    let mut at = *root;
    let mut walked = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if !walked.is_empty() {
            walked.push('/');
        }
        walked.push_str(name);
        let missing = || UnixFsError::PathNotFound { root: *root, path: walked.clone() };
        at = step(blocks, &at, name).await?.ok_or_else(missing)?;
    }
    Ok(at)
}

/// Returns the entry `name` of the folder `cid`.
async fn step(blocks: &dyn Blocks, cid: &Cid, name: &str) -> Result<Option<Cid>, UnixFsError> {
    if matches!(Codec::of(cid), Ok(Codec::Raw)) {
        return Err(UnixFsError::NotADirectory { cid: *cid });
    }
    let mut at = *cid;
    let mut node = node(blocks, &at).await?;
    if node.kind == Type::Directory {
        let found = node.links.iter().find(|link| link.name.as_deref() == Some(name));
        return Ok(found.map(|link| link.cid));
    }
    for slot in murmur3_x64_64(name.as_bytes()) {
        if node.kind != Type::HamtShard {
            return Err(UnixFsError::NotADirectory { cid: at });
        }
        check_shard(&at, &node)?;
        let mut deeper = None;
        for link in &node.links {
            let (link_slot, rest) = slot_and_name(&at, link)?;
            if link_slot != slot {
                continue;
            }
            if rest.is_empty() {
                deeper = Some(link.cid);
            } else {
                return Ok((rest == name).then_some(link.cid));
            }
        }
        let Some(next) = deeper else { return Ok(None) };
        at = next;
        node = self::node(blocks, &at).await?;
    }
    Ok(None)
}

fn entry(link: Link, skip: usize) -> Entry {
    let name = link.name.unwrap_or_default();
    let name = name.get(skip..).unwrap_or_default().to_owned();
    Entry { name, cid: link.cid, tsize: link.tsize.unwrap_or(0) }
}

fn check_shard(cid: &Cid, node: &UnixFsNode) -> Result<(), UnixFsError> {
    if node.hash_type != Some(HASH_TYPE) || node.fanout != Some(FANOUT) {
        return Err(refuse(*cid, "its shards are not 256 wide and placed by murmur3-x64-64"));
    }
    Ok(())
}

/// Splits a shard link's name into slot and entry name.
fn slot_and_name<'a>(cid: &Cid, link: &'a Link) -> Result<(u8, &'a str), UnixFsError> {
    let bad = || refuse(*cid, "a link of a shard does not begin with its slot");
    let name = link.name.as_deref().unwrap_or_default();
    let (slot, rest) = name.split_at_checked(SLOT_DIGITS).ok_or_else(bad)?;
    Ok((u8::from_str_radix(slot, 16).map_err(|_| bad())?, rest))
}
