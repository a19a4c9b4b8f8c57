//! Tests of what a commit does about blocks that are in no pack.

use std::path::Path;
use std::sync::Arc;

use cidlake_block::{Block, Cid, Codec};

use crate::commit::Expect;
use crate::disk::MemDisk;
use crate::error::{CommitError, StoreError};
use crate::gc::{GcOptions, Liveness};
use crate::log::{Payload, Record};
use crate::store::{Options, Store};

/// Keeps nothing alive.
struct Nothing;

impl Liveness for Nothing {
    type Error = StoreError;

    fn update(&mut self, _: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_live(&self, _: &Cid) -> bool {
        false
    }
}

fn open(disk: &MemDisk, seed: u8) -> Store {
    let options = Options { create: true, seed: [seed; 16], ..Options::default() };
    Store::open(Arc::new(disk.clone()), Path::new("/lake"), options).unwrap()
}

/// Has another process write a pack for nothing and retire it.
fn retire_something(disk: &MemDisk) {
    let other = open(disk, 9);
    let hold = other.hold().unwrap();
    other.put(&hold, &[Block::new(Codec::Raw, b"for nothing".to_vec().into())]).unwrap();
    other.commit(&hold, Vec::new(), Expect::Any).unwrap();
    drop(hold);
    let hold = other.hold().unwrap();
    let report = other.gc(&hold, &mut Nothing, GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(report.packs_retired, 1);
}

#[test]
fn a_block_that_was_here_and_is_nowhere_fails_the_commit() {
    let disk = MemDisk::new();
    let store = open(&disk, 1);
    let gone = *Block::new(Codec::Raw, b"gone".to_vec().into()).cid();
    let pin = || vec![Payload::Pin { cid: gone, name: None }];
    let (to_come, was_here) = (store.hold().unwrap(), store.hold().unwrap());
    to_come.remember([gone].into_iter());
    was_here.remember([gone].into_iter());
    was_here.was_here([gone].iter());
    retire_something(&disk);
    let refused = store.commit(&was_here, pin(), Expect::Any);
    let Err(CommitError::Store(StoreError::Vanished { cid })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(cid.hash(), gone.hash());
    // Nothing was said of this one, whose put has not come.
    store.commit(&to_come, Vec::new(), Expect::Any).unwrap();
}
