//! Sharded folders: a hash array mapped trie of 256-way nodes, keyed by the hash of the name.
//!
//! A slot's link is named by two upper-case hexadecimal digits; an entry's name follows them, a
//! deeper shard's link has the digits alone. The node's data is a bit field of filled slots.

use std::collections::BTreeMap;

use super::murmur::murmur3_x64_64;
use super::node::{Type, UnixFsNode};
use super::{Dag, Entry, UnixFsError};
use crate::block::Block;
use crate::codec::dag_pb::Link;

/// Slots of one shard.
pub(super) const FANOUT: u64 = 256;
/// Multihash code of the hash that places names.
pub(super) const HASH_TYPE: u64 = 0x22;
/// Digits that name a slot.
pub(super) const SLOT_DIGITS: usize = 2;
/// Bytes of the hash, so levels of shards.
const LEVELS: usize = 8;

/// One slot while the trie is built.
enum Slot {
    Entry(Placed),
    Shard(Shard),
}

type Shard = BTreeMap<u8, Slot>;

struct Placed {
    hash: [u8; LEVELS],
    entry: Entry,
}

/// Builds the sharded folder of `entries`, whose names are checked.
pub(super) fn build(entries: Vec<Entry>) -> Result<Dag, UnixFsError> {
    let mut root = Shard::new();
    for entry in entries {
        let hash = murmur3_x64_64(entry.name.as_bytes());
        insert(&mut root, Placed { hash, entry }, 0)?;
    }
    let mut nodes = Vec::new();
    let (block, tsize) = encode(&root, &mut nodes);
    Ok(Dag { root: block, len: 0, tsize, nodes })
}

/// Puts an entry where its hash says; two in one slot move a level down together. The recursion
/// ends after [`LEVELS`] levels, when the hash has no bytes left.
fn insert(shard: &mut Shard, placed: Placed, level: usize) -> Result<(), UnixFsError> {
    let Some(&slot) = placed.hash.get(level) else {
        return Err(UnixFsError::BadName { name: placed.entry.name });
    };
    match shard.remove(&slot) {
        None => {
            shard.insert(slot, Slot::Entry(placed));
        }
        Some(Slot::Shard(mut deeper)) => {
            insert(&mut deeper, placed, level + 1)?;
            shard.insert(slot, Slot::Shard(deeper));
        }
        Some(Slot::Entry(held)) => {
            let mut deeper = Shard::new();
            insert(&mut deeper, held, level + 1)?;
            insert(&mut deeper, placed, level + 1)?;
            shard.insert(slot, Slot::Shard(deeper));
        }
    }
    Ok(())
}

/// Encodes a shard, deeper ones first; returns its CID and the bytes below it with its own.
fn encode(shard: &Shard, nodes: &mut Vec<Block>) -> (crate::Cid, u64) {
    let mut node = UnixFsNode::new(Type::HamtShard);
    node.hash_type = Some(HASH_TYPE);
    node.fanout = Some(FANOUT);
    node.data = Some(bit_field(shard).into());
    let mut below = 0;
    for (slot, held) in shard {
        let (name, cid, tsize) = match held {
            Slot::Entry(placed) => {
                let name = format!("{slot:02X}{}", placed.entry.name);
                (name, placed.entry.cid, placed.entry.tsize)
            }
            Slot::Shard(deeper) => {
                let (cid, tsize) = encode(deeper, nodes);
                (format!("{slot:02X}"), cid, tsize)
            }
        };
        below += tsize;
        node.links.push(Link { cid, name: Some(name), tsize: Some(tsize) });
    }
    let block = node.block();
    let (cid, tsize) = (*block.cid(), below + block.len() as u64);
    nodes.push(block);
    (cid, tsize)
}

/// One bit a slot, the lowest slot in the last byte's lowest bit, without leading zero bytes.
fn bit_field(shard: &Shard) -> Vec<u8> {
    let mut bits = [0_u8; 32];
    for slot in shard.keys() {
        if let Some(byte) = bits.iter_mut().rev().nth(usize::from(slot / 8)) {
            *byte |= 1 << (slot % 8);
        }
    }
    bits.iter().copied().skip_while(|byte| *byte == 0).collect()
}
