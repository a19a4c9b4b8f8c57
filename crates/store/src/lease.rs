//! The byte format of a lease file, and its name; pure.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | number of the record up to which its process has read the log |
//! | 8 | 4 | crc32c of these 8 bytes |
//!
//! A file is never synced: it speaks of a live process, which keeps it locked. Whatever cannot be
//! read counts as the oldest lease that there is.

pub(crate) const LEASE_BYTES: usize = 12;
/// The lease of a process that needs nothing of the past.
pub(crate) const NOTHING_HELD: u64 = u64::MAX;

const EXTENSION: &str = ".lease";

/// Returns the file name for the process's `number`th try; no two processes share a seed.
pub(crate) fn file_name(seed: [u8; 16], number: u128) -> String {
    format!("{:032x}{EXTENSION}", u128::from_be_bytes(seed).wrapping_add(number))
}

/// Returns whether a file of this name is a lease.
pub(crate) fn is_lease(name: &str) -> bool {
    name.strip_suffix(EXTENSION).is_some_and(|stem| {
        stem.len() == 32 && stem.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The content of the lease of a process whose oldest hold stands for record `lsn`.
pub(crate) fn to_bytes(lsn: u64) -> [u8; LEASE_BYTES] {
    let mut bytes = [0; LEASE_BYTES];
    let number = lsn.to_le_bytes();
    let crc = crc32c::crc32c(&number).to_le_bytes();
    for (place, byte) in bytes.iter_mut().zip(number.into_iter().chain(crc)) {
        *place = byte;
    }
    bytes
}

/// Reads a lease; 0, the oldest there is, where it is not one.
pub(crate) fn parse(bytes: &[u8]) -> u64 {
    let lsn = bytes.first_chunk::<8>().map_or(0, |number| u64::from_le_bytes(*number));
    if bytes == to_bytes(lsn) { lsn } else { 0 }
}

#[cfg(test)]
mod tests;
