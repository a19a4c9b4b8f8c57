//! The file vectors of the ratified profile `unixfs-v1-2025` (IPIP-499): a ChaCha20 keystream
//! whose key is the SHA-256 of a seed, cut into 1 MiB leaves.

use bytes::Bytes;
use cidlake_block::unixfs::{CHUNK_BYTES, FileBuilder};
use cidlake_block::{Codec, cid_of};

/// The ChaCha20 block function as RFC 8439 has it: 64 bytes of keystream for one counter.
fn chacha_block(key: &[u32; 8], counter: u32) -> [u8; 64] {
    let mut start = [0_u32; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    start[4..12].copy_from_slice(key);
    start[12] = counter;
    let mut state = start;
    let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
        for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
            state[x] = state[x].wrapping_add(state[y]);
            state[z] = (state[z] ^ state[x]).rotate_left(turn);
        }
    };
    for _ in 0..10 {
        (0..4).for_each(|i| quarter(i, 4 + i, 8 + i, 12 + i));
        (0..4).for_each(|i| quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4));
    }
    let mut out = [0_u8; 64];
    for (bytes, (word, first)) in out.chunks_exact_mut(4).zip(state.iter().zip(start)) {
        bytes.copy_from_slice(&word.wrapping_add(first).to_le_bytes());
    }
    out
}

/// Streams `len` bytes of the vector's content into a builder and returns the root.
fn root_of(seed: &str, len: u64) -> String {
    let digest = cid_of(Codec::Raw, seed.as_bytes());
    let mut key = [0_u32; 8];
    for (word, bytes) in key.iter_mut().zip(digest.hash().digest().chunks_exact(4)) {
        *word = u32::from_le_bytes(bytes.try_into().unwrap());
    }
    let mut builder = FileBuilder::new(CHUNK_BYTES);
    let mut left = len;
    let mut counter = 0;
    while left > 0 {
        let mut piece = Vec::with_capacity(CHUNK_BYTES);
        while piece.len() < CHUNK_BYTES {
            piece.extend_from_slice(&chacha_block(&key, counter));
            counter += 1;
        }
        piece.truncate(left.min(CHUNK_BYTES as u64) as usize);
        left -= piece.len() as u64;
        builder.push(Bytes::from(piece));
    }
    builder.finish().1.root.to_string()
}

#[test]
fn ratified_file_vectors() {
    const GIB: u64 = 1 << 30;
    const MIB: u64 = 1 << 20;
    let vectors = [
        ("chunk-v1-seed", MIB, "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"),
        ("chunk-v1-seed", MIB + 1, "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"),
        ("v1-2025-seed", GIB, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"),
        ("v1-2025-seed", GIB + 1, "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"),
    ];
    for (seed, len, expected) in vectors {
        assert_eq!(root_of(seed, len), expected, "{len} bytes of {seed}");
    }
}

#[test]
fn well_known_small_roots() {
    let root = |bytes: &'static [u8]| {
        let mut builder = FileBuilder::new(CHUNK_BYTES);
        builder.push(Bytes::from_static(bytes));
        builder.finish().1.root.to_string()
    };
    assert_eq!(root(b"hello world"), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    assert_eq!(root(b""), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    let empty_folder = cidlake_block::unixfs::directory(Vec::new()).unwrap().root;
    assert_eq!(
        empty_folder.to_string(),
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
    );
}
