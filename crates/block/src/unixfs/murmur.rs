//! The first 64 bits of MurmurHash3 x64-128 with seed 0: multihash 0x22, by which sharded folders
//! place their names. Source: Austin Appleby's public description of the function.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// Returns the digest as sharding consumes it: eight bytes, most significant first.
pub(super) fn murmur3_x64_64(data: &[u8]) -> [u8; 8] {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = data.chunks_exact(16);
    for block in blocks.by_ref() {
        let (k1, k2) = halves(block);
        h1 ^= mix1(k1);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(k2);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (k1, k2) = halves(blocks.remainder());
    h2 ^= mix2(k2);
    h1 ^= mix1(k1);
    let len = data.len() as u64;
    h1 ^= len;
    h2 ^= len;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2)).to_be_bytes()
}

/// Reads up to sixteen bytes as two little-endian words, zeros where there are none.
fn halves(bytes: &[u8]) -> (u64, u64) {
    let mut words = [0_u64; 2];
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(word) = words.get_mut(index / 8) {
            *word |= u64::from(*byte) << (8 * (index % 8));
        }
    }
    let [low, high] = words;
    (low, high)
}

fn mix1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}
