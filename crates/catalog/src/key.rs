//! Signing keys and the public ids by which deltas name their author.
//!
//! Keys are made from seeds that the caller brings. Whether a key is trusted is not known here.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::wire;

/// The unsigned varint of the multicodec `ed25519-pub`.
const ED25519_PUBLIC: [u8; 2] = [0xed, 0x01];
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A secret Ed25519 key. It is wiped from memory when dropped and never printed.
pub struct Key {
    secret: SigningKey,
}

/// The public half of a [`Key`], which names the author of a delta.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(#[serde(with = "wire::byte_array")] [u8; 32]);

impl Key {
    /// Returns the key that 32 secret bytes stand for.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { secret: SigningKey::from_bytes(&seed) }
    }

    /// Returns the public id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(self.secret.verifying_key().to_bytes())
    }

    /// Signs `message`; the same message always gives the same 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl KeyId {
    /// Returns the id with these bytes. Bytes that are no key verify nothing.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the public key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Says whether `signature` over `message` was made with this key.
    ///
    /// Strict: weak keys and signatures that exist in several forms are refused, so that all
    /// replicas agree on what is genuine.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

/// Writes the id as `did:key` does: base58btc of the multicodec and the key, `z6Mk…`.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = ED25519_PUBLIC.to_vec();
        bytes.extend_from_slice(&self.0);
        write!(f, "z{}", base58(&bytes))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Writes `bytes`, whose first is not zero, in base 58.
fn base58(bytes: &[u8]) -> String {
    // Little-endian digits; every byte multiplies what is there by 256 and adds itself.
    let mut digits: Vec<u8> = Vec::with_capacity(bytes.len() * 7 / 5 + 1);
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = base58_digit(&mut carry);
        }
        while carry > 0 {
            digits.push(base58_digit(&mut carry));
        }
    }
    let letters = digits.iter().rev().filter_map(|digit| BASE58.get(usize::from(*digit)));
    letters.copied().map(char::from).collect()
}

/// Splits the lowest base-58 digit off `carry`.
fn base58_digit(carry: &mut u32) -> u8 {
    let digit = *carry % 58;
    *carry /= 58;
    digit as u8
}

#[cfg(test)]
mod tests;
