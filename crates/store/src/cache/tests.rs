//! Tests of the block cache.

use cidlake_block::cid::Codec;

use super::*;

fn block(number: u32, len: usize) -> Block {
    let mut data = vec![0; len];
    data[..4].copy_from_slice(&number.to_le_bytes());
    Block::new(Codec::Raw, data.into())
}

#[test]
fn hits_and_misses_are_counted_once() {
    let cache = BlockCache::new(1 << 20);
    let here = block(1, 100);
    cache.insert(&here);
    assert_eq!(cache.get(here.cid()).unwrap().data(), here.data());
    assert!(cache.probe(block(2, 100).cid()).is_none());
    assert!(cache.get(block(2, 100).cid()).is_none());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 1, 1));
    assert_eq!(stats.bytes, 100 + ENTRY_BYTES);
}

#[test]
fn bytes_stay_under_the_limit() {
    let cache = BlockCache::new(1 << 20);
    for number in 0..1000 {
        cache.insert(&block(number, 10_000));
        assert!(cache.stats().bytes <= 1 << 20);
    }
    assert!(cache.stats().entries > 50);
    let nothing = BlockCache::new(0);
    nothing.insert(&block(1, 10));
    assert_eq!(nothing.stats().bytes, 0);
}

#[test]
fn small_slices_get_memory_of_their_own() {
    let buffer = Bytes::from(vec![7; 1024]);
    let large = buffer.slice(0..512);
    let small = buffer.slice(0..100);
    assert_eq!(owned(large.clone(), 1024).as_ptr(), large.as_ptr());
    assert_ne!(owned(small.clone(), 1024).as_ptr(), small.as_ptr());
    assert_eq!(owned(small.clone(), 1024), small);
}
