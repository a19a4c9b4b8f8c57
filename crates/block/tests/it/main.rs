//! Content addressing against what others published: ratified vectors, the codec and CAR
//! fixtures of the IPLD project, and every way in which an archive can be cut or damaged.

mod archives;
mod codecs;
mod cuts;
mod files;
mod folders;
mod vectors;

use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future that never waits for anything outside itself, as all over `MemBlocks` are.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future over blocks in memory waited"),
    }
}

/// Returns a folder of test data that lies beside the repository, or says loudly that it is not
/// there; where `CIDLAKE_REQUIRE_DATA` is set, its absence is a failure.
fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CIDLAKE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CIDLAKE_REQUIRE_DATA").is_none(),
        "{} is required and absent",
        path.display()
    );
    eprintln!("SKIPPED: {} is absent", path.display());
    None
}

/// Pseudo-random bytes that a seed determines.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(len)
    .collect()
}
