//! Tests of the lease format: its bytes, and what is made of others.

use super::*;

#[test]
fn a_lease_has_these_bytes() {
    let bytes = to_bytes(0x0102);
    assert_eq!(bytes[..8], [2, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[8..], crc32c::crc32c(&bytes[..8]).to_le_bytes());
    for lsn in [0, 1, 0x0102, NOTHING_HELD] {
        assert_eq!(parse(&to_bytes(lsn)), lsn);
    }
}

#[test]
fn what_is_not_a_lease_holds_everything() {
    let bytes = to_bytes(77);
    for at in 0..bytes.len() {
        assert_eq!(parse(&bytes[..at]), 0);
        for bit in 0..8 {
            let mut damaged = bytes;
            damaged[at] ^= 1 << bit;
            assert_eq!(parse(&damaged), 0, "bit {bit} of byte {at}");
        }
    }
    assert_eq!(parse(&[0; 12]), 0);
    assert_eq!(parse(&[bytes.as_slice(), &[0]].concat()), 0);
}

#[test]
fn names_are_told_from_others() {
    let name = file_name([0xab; 16], 1);
    assert_eq!(name, "abababababababababababababababac.lease");
    assert!(is_lease(&name));
    assert_eq!(file_name([0xff; 16], 1), "00000000000000000000000000000000.lease");
    for other in
        ["x.lease", "abababababababababababababababac", "ABABABABABABABABABABABABABABABAC.lease"]
    {
        assert!(!is_lease(other));
    }
}
