//! Replaces the last segment by a copy of its good records.
//!
//! There is one repair, for a torn tail and for a commit whose writer died: the whole commits of
//! the last segment are copied to a new one of a higher epoch, which is synced and then renamed
//! to its place. Cutting the old file instead would be less work, but it would take bytes away
//! beneath readers, and it could not help where a sync has failed: such a file may show records
//! that are not on the disk, and only writing them elsewhere makes sure of them.

use super::listing::list;
use super::reader::Tail;
use super::segment::SegmentName;
use super::segment_draft::SegmentDraft;
use super::walk::{Position, Step, Walk, open_segment};
use super::writer::Renaming;
use super::{LogFolder, corrupt};
use crate::error::StoreError;

/// Replaces the segment in which `tail` stands by a copy that ends there.
pub(super) fn replace(
    folder: &LogFolder,
    renaming: &Renaming,
    tail: &mut Tail,
) -> Result<(), StoreError> {
    let Some(old) = tail.position.segment else {
        return Ok(());
    };
    let epoch = list(folder)?.next_epoch(folder)?;
    let name = SegmentName { first_lsn: old.first_lsn, epoch };
    let (file, header) = open_segment(folder, old)?;
    let mut draft = SegmentDraft::begin(folder, name, header.carried)?;
    let mut walk = Walk::new(folder, old, file.as_ref(), Position::begin(old, header));
    while walk.position.offset < tail.position.offset {
        let Step::Record(record) = walk.next()? else {
            let path = folder.segment_path(old);
            return Err(corrupt(&path, walk.position.offset, "a record that was read is gone"));
        };
        draft.copy(record)?;
    }
    let end = draft.finish(renaming)?;
    // Where the segment has no records, the last one is still that of the segment before.
    tail.position = Position { digest: tail.position.digest, ..end };
    tail.torn = false;
    tail.ceiling = None;
    remove_stale(folder);
    Ok(())
}

/// Removes drafts and segments that were replaced. They harm nobody, so what cannot be removed
/// now is left to the next repair.
pub(super) fn remove_stale(folder: &LogFolder) {
    let Ok(listing) = list(folder) else { return };
    for name in listing.stale {
        let _removed = folder.disk.remove(&folder.path.join(name));
    }
}
