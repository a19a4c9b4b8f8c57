//! Deltas: signed changes of the catalog, each a block that names the deltas before it.
//!
//! A delta is checked here by itself: its shape when it is signed and when it is decoded, its
//! signature when asked. What it does to a catalog, and whether its signer may, is not known here.

use cidlake_block::codec::{CodecError, dag_cbor};
use cidlake_block::{Block, Cid, Codec};
use serde::{Deserialize, Serialize};

use crate::clock::Hlc;
use crate::key::{Key, KeyId};
use crate::limits::{CHANGES_MAX, DELTA_BYTES_MAX, OVER_MAX, PARENTS_MAX, WALL_MS_MAX};
use crate::name::Name;
use crate::tag::{Label, Tag};
use crate::wire::{self, FormatError, Version};

/// What every signature covers before the delta itself, so that nothing else that the key may
/// ever sign can pass for a delta.
const SIGNING_DOMAIN: &[u8] = b"cidlake catalog delta\0";

/// A change of one name, or of one tag of a name.
///
/// The dot of a `Set` is the CID of its delta; no delta changes one name or tag twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Change {
    /// The name, or its tag, now means `commit`.
    Set {
        /// The name.
        name: Name,
        /// The tag that is set; `None` for the name itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<Tag>,
        /// The commit that it means.
        commit: Cid,
        /// The dots that this takes the place of, ascending.
        over: Vec<Cid>,
    },
    /// The name, or its tag, no longer means what it meant by these dots.
    Unset {
        /// The name.
        name: Name,
        /// The tag that ends; `None` for the name itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<Tag>,
        /// The dots that end, ascending; at least one.
        over: Vec<Cid>,
    },
}

/// One change of the catalog, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// The deltas that this one has seen and that no other of its parents has seen, ascending.
    pub parents: Vec<Cid>,
    /// When it was made.
    pub clock: Hlc,
    /// Whose signature it carries.
    pub key: KeyId,
    /// What it changes, ascending by name, then tag; nothing if it only joins its parents.
    pub changes: Vec<Change>,
}

/// A delta of good shape, with a signature and its block.
///
/// That the signature is genuine is known only after [`Self::verify`].
#[derive(Clone, Debug)]
pub struct SignedDelta {
    delta: Delta,
    signature: [u8; 64],
    block: Block,
}

/// Why something is not a delta that a catalog can use.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// The block is no delta of this version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The block is a delta that breaks a rule.
    #[error("delta {cid} breaks a rule")]
    Refused {
        /// The delta.
        cid: Cid,
        /// The rule.
        source: DeltaFault,
    },
    /// The delta to be signed breaks a rule.
    #[error("the delta cannot be signed")]
    Invalid {
        /// The rule.
        source: DeltaFault,
    },
    /// The delta to be signed could not be encoded.
    #[error("the delta cannot be encoded")]
    Encode {
        /// What is wrong.
        source: CodecError,
    },
    /// The delta to be signed names another key than the one that should sign it.
    #[error("the delta names the key {named}, and the key {signing} was to sign it")]
    OtherKey {
        /// The key in the delta.
        named: KeyId,
        /// The key that was to sign.
        signing: KeyId,
    },
    /// The signature was not made over this delta with the key that it names.
    #[error(
        "the signature of delta {cid} is not that of the key {key}: the delta is forged or damaged"
    )]
    BadSignature {
        /// The delta.
        cid: Cid,
        /// The key that it names.
        key: KeyId,
    },
}

/// A rule that a delta breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaFault {
    /// A list is longer than it may be.
    #[error("it has {found} {what}: at most {max} are allowed, make several deltas")]
    TooMany {
        /// What the list holds.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// The delta is larger than it may be.
    #[error("it takes {bytes} bytes: at most {DELTA_BYTES_MAX} are allowed, make several deltas")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A list is not in ascending order, or holds something twice.
    #[error("its {what} are not in ascending order, each once")]
    Unsorted {
        /// What the list holds.
        what: &'static str,
    },
    /// Two changes of one name or tag, whose dots would be the same.
    #[error("it changes {label} twice: make two deltas")]
    LabelTwice {
        /// The name or tag.
        label: Label,
    },
    /// An `Unset` that ends nothing.
    #[error("it unsets {label} over no dots: an unset ends at least one")]
    EmptyUnset {
        /// The name or tag.
        label: Label,
    },
    /// A link to something that is neither a delta nor a commit.
    #[error("its {what} {cid} is not DAG-CBOR, as every delta and commit is")]
    ForeignLink {
        /// What the link stands for.
        what: &'static str,
        /// The link.
        cid: Cid,
    },
    /// A time that no clock shows.
    #[error("its clock is at {wall_ms} ms: the year 9999 ends at {WALL_MS_MAX} ms")]
    ClockOutOfRange {
        /// The wall clock of the delta.
        wall_ms: u64,
    },
}

/// What the signature covers, behind the domain.
#[derive(Serialize)]
struct Unsigned<'a> {
    v: Version,
    delta: &'a Delta,
}

/// The block: the envelope of a delta.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<D> {
    v: Version,
    delta: D,
    #[serde(with = "wire::byte_array")]
    signature: [u8; 64],
}

impl Change {
    /// Returns the name that changes.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Set { name, .. } | Self::Unset { name, .. } => name,
        }
    }

    /// Returns the tag that changes; `None` where it is the name itself.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Set { tag, .. } | Self::Unset { tag, .. } => tag.as_ref(),
        }
    }

    /// Returns what changes.
    #[must_use]
    pub fn label(&self) -> Label {
        Label { name: self.name().clone(), tag: self.tag().cloned() }
    }

    /// Returns by what changes are ordered.
    pub(crate) fn order(&self) -> (&Name, Option<&Tag>) {
        (self.name(), self.tag())
    }

    /// Returns the dots that the change supersedes.
    #[must_use]
    pub fn over(&self) -> &[Cid] {
        match self {
            Self::Set { over, .. } | Self::Unset { over, .. } => over,
        }
    }
}

impl SignedDelta {
    /// Signs a delta.
    ///
    /// # Errors
    /// The first rule that the delta breaks, or that `key` is not the one it names.
    pub fn sign(delta: Delta, key: &Key) -> Result<Self, DeltaError> {
        if delta.key != key.id() {
            return Err(DeltaError::OtherKey { named: delta.key, signing: key.id() });
        }
        check(&delta).map_err(|source| DeltaError::Invalid { source })?;
        let signature = key.sign(&message(&delta)?);
        let envelope = Envelope { v: Version, delta: &delta, signature };
        let bytes = dag_cbor::encode(&envelope).map_err(|source| DeltaError::Encode { source })?;
        // Checked before a block is made of it: a block has a bound of its own.
        if bytes.len() > DELTA_BYTES_MAX {
            let source = DeltaFault::TooLarge { bytes: bytes.len() };
            return Err(DeltaError::Invalid { source });
        }
        Ok(Self { delta, signature, block: Block::new(Codec::DagCbor, bytes) })
    }

    /// Decodes a delta and checks its shape, not its signature.
    ///
    /// # Errors
    /// Anything that [`Self::sign`] would not have made, but for the signature.
    pub fn decode(block: &Block) -> Result<Self, DeltaError> {
        let envelope: Envelope<Delta> = wire::decode(block, "delta", DELTA_BYTES_MAX)?;
        check(&envelope.delta)
            .map_err(|source| DeltaError::Refused { cid: *block.cid(), source })?;
        let Envelope { delta, signature, .. } = envelope;
        Ok(Self { delta, signature, block: block.clone() })
    }

    /// Checks that the signature was made over this delta with the key that the delta names.
    ///
    /// # Errors
    /// [`DeltaError::BadSignature`] if it was not.
    pub fn verify(&self) -> Result<(), DeltaError> {
        let key = self.delta.key;
        if key.verify(&message(&self.delta)?, &self.signature) {
            return Ok(());
        }
        Err(DeltaError::BadSignature { cid: *self.cid(), key })
    }

    /// Returns the delta.
    #[must_use]
    pub fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Returns the address, which is also the dot of everything that the delta sets.
    #[must_use]
    pub fn cid(&self) -> &Cid {
        self.block.cid()
    }

    /// Returns the block.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }
}

/// Returns the bytes that are signed: the domain, then the envelope without its signature.
fn message(delta: &Delta) -> Result<Vec<u8>, DeltaError> {
    let encoded = dag_cbor::encode(&Unsigned { v: Version, delta })
        .map_err(|source| DeltaError::Encode { source })?;
    Ok([SIGNING_DOMAIN, &encoded].concat())
}

/// Checks every rule of a delta's shape.
fn check(delta: &Delta) -> Result<(), DeltaFault> {
    if delta.clock.wall_ms > WALL_MS_MAX {
        return Err(DeltaFault::ClockOutOfRange { wall_ms: delta.clock.wall_ms });
    }
    check_links("parent", "parents", &delta.parents, PARENTS_MAX)?;
    check_count("changes", delta.changes.len(), CHANGES_MAX)?;
    for pair in delta.changes.windows(2) {
        let [before, after] = pair else { continue };
        if before.order() == after.order() {
            return Err(DeltaFault::LabelTwice { label: after.label() });
        }
        if before.order() > after.order() {
            return Err(DeltaFault::Unsorted { what: "changes" });
        }
    }
    delta.changes.iter().try_for_each(check_change)
}

fn check_change(change: &Change) -> Result<(), DeltaFault> {
    check_links("superseded dot", "superseded dots", change.over(), OVER_MAX)?;
    match change {
        Change::Set { commit, .. } => check_link("commit", commit),
        Change::Unset { over, .. } if over.is_empty() => {
            Err(DeltaFault::EmptyUnset { label: change.label() })
        }
        Change::Unset { .. } => Ok(()),
    }
}

fn check_links(
    one: &'static str,
    many: &'static str,
    cids: &[Cid],
    max: usize,
) -> Result<(), DeltaFault> {
    check_count(many, cids.len(), max)?;
    if !cids.is_sorted_by(|before, after| before < after) {
        return Err(DeltaFault::Unsorted { what: many });
    }
    cids.iter().try_for_each(|cid| check_link(one, cid))
}

fn check_link(what: &'static str, cid: &Cid) -> Result<(), DeltaFault> {
    if cid.codec() == Codec::DagCbor.code() {
        return Ok(());
    }
    Err(DeltaFault::ForeignLink { what, cid: *cid })
}

fn check_count(what: &'static str, found: usize, max: usize) -> Result<(), DeltaFault> {
    if found <= max { Ok(()) } else { Err(DeltaFault::TooMany { what, found, max }) }
}

#[cfg(test)]
mod tests;
