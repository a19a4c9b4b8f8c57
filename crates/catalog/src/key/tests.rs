//! Tests of keys against published vectors.

use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), 2 * N);
    std::array::from_fn(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
}

/// The first two tests of RFC 8032, section 7.1: seed, public key, message, signature.
const RFC_8032: [(&str, &str, &[u8], &str); 2] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        b"",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        b"\x72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
];

#[test]
fn signatures_are_those_of_the_standard() {
    for (seed, public, message, signature) in RFC_8032 {
        let key = Key::from_seed(bytes(seed));
        assert_eq!(key.id().as_bytes(), &bytes::<32>(public));
        assert_eq!(key.sign(message), bytes::<64>(signature));
        assert!(key.id().verify(message, &bytes(signature)));
        assert!(!key.id().verify(b"something else", &bytes(signature)));
    }
}

/// Vectors of the did:key method for Ed25519: seed, identifier.
#[test]
fn ids_are_written_as_did_key_writes_them() {
    for (first, text) in [
        (0_u8, "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"),
        (1_u8, "z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG"),
        (2_u8, "z6MknGc3ocHs3zdPiJbnaaqDi58NGb4pk1Sp9WxWufuXSdxf"),
    ] {
        let mut seed = [0; 32];
        seed[31] = first;
        assert_eq!(Key::from_seed(seed).id().to_string(), text);
    }
}

#[test]
fn what_is_no_key_verifies_nothing() {
    let signature = Key::from_seed([7; 32]).sign(b"message");
    // No point of the curve, and the neutral point, under which anything could be signed.
    for public in
        [[0xff; 32], bytes("0100000000000000000000000000000000000000000000000000000000000000")]
    {
        assert!(!KeyId::from_bytes(public).verify(b"message", &signature));
    }
    let mut neutral = [0; 64];
    neutral[0] = 1;
    let weak = KeyId::from_bytes(bytes(
        "0100000000000000000000000000000000000000000000000000000000000000",
    ));
    assert!(!weak.verify(b"message", &neutral));
}

#[test]
fn secrets_are_not_printed() {
    let key = Key::from_seed([0xab; 32]);
    let printed = format!("{key:?}");
    assert!(printed.contains(&key.id().to_string()));
    assert!(!printed.contains("171") && !printed.to_lowercase().contains("abab"));
}
