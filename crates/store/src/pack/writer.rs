//! The pack that this process appends to.
//!
//! The pack is held by an exclusive lock on its file. An open pack that nobody holds is adopted
//! before a new one is begun. A pack over its size is sealed: seal and index are written behind
//! the data and synced, and only then the header that refers to them.
//!
//! A sync that fails poisons the pack: nothing more is written to it. Its blocks that no commit
//! has acknowledged are written again to another pack by the next put; until then commits fail.
//!
//! Collections write with a writer of their own, which shows late: nobody knows what it wrote before
//! it is durable. So a sync of it that fails takes nothing away that anybody relied on.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use cidlake_block::{Block, Cid, UnverifiedBlock, car};

use super::format::{PackId, SECTIONS_OFFSET, Seal, head};
use super::index::{Index, OpenIndex, SealedIndex, Span};
use super::pending::{Pending, SyncedFile, Unannounced};
use super::{Pack, PackSet, corrupt, reader};
use crate::disk::{DiskFile, OpenMode};
use crate::error::StoreError;
use crate::log::Extent;

/// The bytes that are gathered before they are written.
const WRITE_BYTES: usize = 4 << 20;

/// A pack that is left is sealed from this share of the greatest size on: a smaller one is walked by
/// whoever opens the lake, and goes on with the next writer.
const SEALED_SHARE: u64 = 32;

/// Writes blocks to packs of this process.
#[derive(Debug)]
pub(crate) struct PackWriter {
    seed: [u8; 16],
    names_given: u128,
    pack_bytes_max: u64,
    own: Option<OwnPack>,
    /// Packs that could not be synced and still hold blocks that are nowhere else.
    failed: Vec<OwnPack>,
    /// Sealed and durable packs that no commit has announced; of a writer that shows late, all that
    /// it has shown.
    unannounced: Unannounced,
    /// Whether blocks are known only when they are durable.
    shows_late: bool,
    /// Packs that are not adopted.
    avoided: HashSet<PackId>,
    /// From then on nothing is written, and nothing announced: a commit that was waiting would
    /// speak of blocks in a pack that is no longer held.
    is_closed: bool,
}

/// A pack that this process holds.
#[derive(Debug)]
struct OwnPack {
    pack: Arc<Pack>,
    file: Arc<SyncedFile>,
    /// Up to where commits have announced the pack, in bytes.
    announced: u64,
    /// What was written and is not shown yet.
    ahead: Option<OpenIndex>,
}

impl OwnPack {
    fn extent(&self) -> Option<Extent> {
        self.pack.look(|index| self.extent_of(index))
    }

    fn extent_of(&self, index: &OpenIndex) -> Extent {
        Extent { pack: self.pack.id, len: index.end, prefix_crc: index.prefix_crc }
    }

    /// Where the next section comes to stand, in bytes from the start of the file.
    fn end(&self) -> u64 {
        self.ahead.as_ref().map_or_else(|| self.pack.end(), |ahead| ahead.end)
    }

    /// Lets `push` take in sections that were just appended.
    fn push(&mut self, shows_late: bool, push: impl FnOnce(&mut OpenIndex)) {
        if !shows_late {
            self.pack.change(push);
            return;
        }
        if self.ahead.is_none() {
            self.ahead = self.pack.look(OpenIndex::successor);
        }
        if let Some(ahead) = &mut self.ahead {
            push(ahead);
        }
    }
}

/// Sections that wait to be written at the end of a pack.
#[derive(Debug, Default)]
struct Staged {
    bytes: Vec<u8>,
    sections: Vec<(Cid, Vec<u8>, usize)>,
}

impl Staged {
    fn push(&mut self, block: &Block) {
        let prefix = car::section_prefix(block.cid(), block.len() as u64);
        self.bytes.extend_from_slice(&prefix);
        self.bytes.extend_from_slice(block.data());
        let section_bytes = prefix.len() + block.len();
        self.sections.push((*block.cid(), prefix, section_bytes));
    }

    /// Appends everything to `own`.
    fn flush(&mut self, own: &mut OwnPack, shows_late: bool) -> Result<(), StoreError> {
        let staged = std::mem::take(self);
        if staged.bytes.is_empty() {
            return Ok(());
        }
        let end = own.end();
        own.file.append(end, &staged.bytes)?;
        if shows_late {
            own.file.file.begin_write_back(end, staged.bytes.len() as u64);
        }
        own.push(shows_late, |index| {
            for (cid, prefix, section_bytes) in &staged.sections {
                index.push(cid, prefix, *section_bytes);
            }
        });
        Ok(())
    }
}

impl PackWriter {
    /// Makes a writer that holds no pack yet.
    pub(crate) fn new(seed: [u8; 16], pack_bytes_max: u64) -> Self {
        Self {
            seed,
            names_given: 0,
            pack_bytes_max,
            own: None,
            failed: Vec::new(),
            unannounced: Unannounced::default(),
            shows_late: false,
            avoided: HashSet::new(),
            is_closed: false,
        }
    }

    /// Makes a writer beside this one, whose blocks are known to nobody until [`Self::show`].
    /// `unannounced` is where it says then what is to be announced. It adopts no pack of `avoided`.
    pub(crate) fn showing_late(&self, unannounced: &Unannounced, avoided: HashSet<PackId>) -> Self {
        let unannounced = unannounced.clone();
        let beside = Self::new(self.seed, self.pack_bytes_max);
        // A name that both come to is the pack of who made it first.
        Self { names_given: self.names_given, unannounced, shows_late: true, avoided, ..beside }
    }

    /// Appends `blocks`, which must be nowhere yet. `refresh` brings what is known of the log up
    /// to date; it is called when a pack was locked that others may have written to.
    pub(crate) fn append(
        &mut self,
        packs: &PackSet,
        blocks: &[&Block],
        refresh: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.check_open()?;
        let mut staged = Staged::default();
        for block in blocks {
            while self.is_full(&staged) {
                self.flush(&mut staged)?;
                self.turn(packs, refresh)?;
            }
            staged.push(block);
            if staged.bytes.len() >= WRITE_BYTES {
                self.flush(&mut staged)?;
            }
        }
        self.flush(&mut staged)
    }

    fn flush(&mut self, staged: &mut Staged) -> Result<(), StoreError> {
        self.own.as_mut().map_or(Ok(()), |own| staged.flush(own, self.shows_late))
    }

    /// Makes what was written durable, and only then known to this process.
    pub(crate) fn show(&mut self) -> Result<(), StoreError> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let Some(ahead) = &own.ahead else { return Ok(()) };
        own.file.sync_to(ahead.end)?;
        // Before it can be found: a commit of whoever finds it announces it.
        self.unannounced.add(own.extent_of(ahead));
        if let Some(ahead) = own.ahead.take() {
            own.pack.change(|index| index.merge(ahead));
        }
        Ok(())
    }

    /// Lets go of the pack that is appended to, whatever became of it. What was not shown stays at its
    /// end, where whoever adopts the pack takes in what verifies. It is not cut off: it may have been
    /// there before, and another process may be about to announce it.
    pub(crate) fn release(&mut self, packs: &PackSet) {
        if let Some(own) = self.own.take_if(|own| own.file.is_poisoned()) {
            packs.abandon(own.pack.id);
        }
        self.own = None;
    }

    /// Returns whether another pack is needed. A pack without blocks is never full.
    fn is_full(&self, staged: &Staged) -> bool {
        let end = self.own.as_ref().map(|own| own.end() + staged.bytes.len() as u64);
        end.is_none_or(|end| end > SECTIONS_OFFSET && end >= self.pack_bytes_max)
    }

    /// Brings blocks to safety that stand in packs which could not be synced.
    pub(crate) fn heal(
        &mut self,
        packs: &PackSet,
        refresh: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.own.as_ref().is_some_and(|own| own.file.is_poisoned()) {
            self.failed.extend(self.own.take());
        }
        while let Some(failed) = self.failed.last() {
            let (pack, file, from) =
                (Arc::clone(&failed.pack), Arc::clone(&failed.file), failed.announced);
            for span in pack.look(|index| index.spans_from(from)).unwrap_or_default() {
                let block = read_back(&pack, &file, span)?;
                self.append(packs, &[&block], refresh)?;
                pack.change(|index| index.remove(block.cid()));
            }
            // Whoever adopts the pack may find less of its tail than this process saw.
            packs.forget_unannounced(&pack);
            packs.abandon(pack.id);
            self.failed.pop();
        }
        Ok(())
    }

    /// Returns what the next commit has to make durable.
    pub(crate) fn pending(&mut self, packs: &PackSet) -> Result<Pending, StoreError> {
        self.check_open()?;
        if let Some(poison) = self.failed.iter().chain(&self.own).find_map(|own| own.file.poison())
        {
            return Err(poison);
        }
        let mut pending = Pending { file: None, extents: self.unannounced.extents(packs) };
        if let Some(own) = &self.own
            && let Some(extent) = own.extent().filter(|extent| extent.len > own.announced)
        {
            pending.extents.push(extent);
            pending.file = Some((Arc::clone(&own.file), extent.len));
        }
        Ok(pending)
    }

    /// Returns the pack that is appended to.
    pub(crate) fn own_id(&self) -> Option<PackId> {
        self.own.as_ref().map(|own| own.pack.id)
    }

    /// Returns the size over which a pack is sealed, in bytes.
    pub(crate) fn pack_bytes_max(&self) -> u64 {
        self.pack_bytes_max
    }

    /// Lets go of the pack that is appended to, if it is this one and a commit has announced all of
    /// it; returns whether it did.
    pub(crate) fn let_go(&mut self, id: PackId) -> bool {
        let own = self.own.take_if(|own| {
            own.pack.id == id && own.announced == own.pack.end() && !own.file.is_poisoned()
        });
        own.is_some()
    }

    /// Takes note that a commit announced `extents`.
    pub(crate) fn announced(&mut self, extents: &[Extent]) {
        self.unannounced.announced(extents);
        for extent in extents {
            if let Some(own) = self.own.as_mut().filter(|own| own.pack.id == extent.pack) {
                own.announced = own.announced.max(extent.len);
            }
        }
    }

    /// Seals the own pack if it is so large that walking it would delay every opening. One of which
    /// something is not announced stays open: only a commit can say that its end counts.
    pub(crate) fn seal_own(&mut self, packs: &PackSet) -> Result<(), StoreError> {
        let bytes_min = self.sealed_bytes_min();
        let large = self.own.take_if(|own| {
            let end = own.pack.end();
            end >= bytes_min && own.announced == end && !own.file.is_poisoned()
        });
        let Some(own) = large else { return Ok(()) };
        seal(&own).map(drop).inspect_err(|_| packs.abandon(own.pack.id))
    }

    /// Seals the own pack, and those that others left, if they are large.
    pub(crate) fn seal_large(
        &mut self,
        packs: &PackSet,
        refresh: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.check_open()?;
        self.seal_own(packs)?;
        let bytes_min = self.sealed_bytes_min();
        while let Some(left) = self.adopt(packs, refresh, bytes_min)? {
            let Some(extent) = seal(&left)? else { break };
            if extent.len > left.announced {
                self.unannounced.add(extent);
            }
        }
        Ok(())
    }

    fn sealed_bytes_min(&self) -> u64 {
        self.pack_bytes_max / SEALED_SHARE
    }

    /// Syncs what was written and lets go of the pack, for others to adopt.
    pub(crate) fn close(&mut self) -> Result<(), StoreError> {
        self.is_closed = true;
        let own = self.own.take();
        let failed = std::mem::take(&mut self.failed);
        if let Some(own) = own {
            own.file.sync_to(own.pack.end())?;
        }
        failed.iter().find_map(|own| own.file.poison()).map_or(Ok(()), Err)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Seals the own pack, if there is one, and gets another.
    fn turn(
        &mut self,
        packs: &PackSet,
        refresh: &dyn Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.show()?;
        if let Some(own) = &self.own {
            if let Some(extent) = seal(own)?.filter(|_| !self.shows_late) {
                self.unannounced.add(extent);
            }
            self.own = None;
        }
        self.own = match self.adopt(packs, refresh, 0)? {
            Some(own) => Some(own),
            None => Some(self.begin(packs)?),
        };
        Ok(())
    }

    /// Begins a new pack.
    fn begin(&mut self, packs: &PackSet) -> Result<OwnPack, StoreError> {
        loop {
            let id = PackId::derive(self.seed, self.names_given);
            self.names_given = self.names_given.wrapping_add(1);
            if packs.is_retired(id) {
                continue;
            }
            let pack = Pack::new(id, &packs.folder, Index::Open(OpenIndex::default()));
            let refused = |error| StoreError::change(&pack.path, "create", error);
            let file = match packs.disk.open(&pack.path, OpenMode::CreateNew) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                opened => opened.map_err(refused)?,
            };
            // Somebody may have adopted the empty file in this very moment, and may even have filled
            // it and let go of it.
            if !file.try_lock().map_err(refused)? || file.size().map_err(refused)? > 0 {
                continue;
            }
            file.write_at(0, &head(None)).map_err(refused)?;
            packs.sync_names()?;
            let file = Arc::new(SyncedFile::new(file, &pack.path, 0));
            let pack = Arc::new(pack);
            if !packs.add(Arc::clone(&pack)) {
                continue;
            }
            return Ok(OwnPack { pack, file, announced: SECTIONS_OFFSET, ahead: None });
        }
    }

    /// Takes over an open pack of so many bytes that nobody holds.
    fn adopt(
        &mut self,
        packs: &PackSet,
        refresh: &dyn Fn() -> Result<(), StoreError>,
        bytes_min: u64,
    ) -> Result<Option<OwnPack>, StoreError> {
        packs.load_all()?;
        for pack in packs.all() {
            let is_failed = self.failed.iter().any(|failed| failed.pack.id == pack.id)
                || packs.is_abandoned(pack.id)
                || self.avoided.contains(&pack.id);
            let is_open = !pack.is_sealed() && pack.end() >= bytes_min;
            if !is_open || is_failed || pack.damaged_at().is_some() {
                continue;
            }
            let file = match packs.disk.open(&pack.path, OpenMode::Write) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::change(&pack.path, "open", error)),
            };
            let locked = file.try_lock();
            if !locked.map_err(|error| StoreError::change(&pack.path, "lock", error))? {
                continue;
            }
            refresh()?;
            if packs.is_retired(pack.id) {
                continue;
            }
            if let Some(own) = self.take_over(packs, &pack, file)? {
                return Ok(Some(own));
            }
        }
        Ok(None)
    }

    /// Repairs a pack that was just locked and returns it, if it can be written on.
    fn take_over(
        &mut self,
        packs: &PackSet,
        pack: &Arc<Pack>,
        file: Box<dyn DiskFile>,
    ) -> Result<Option<OwnPack>, StoreError> {
        let refused = |error| StoreError::change(&pack.path, "repair", error);
        let announced = packs.extent(pack.id).map_or(SECTIONS_OFFSET, |extent| extent.len);
        if pack.damaged_at().is_some() || pack.end() != announced {
            return Ok(None);
        }
        if let Some((seal, index)) = reader::read_sealed(file.as_ref()).map_err(refused)?
            && announced >= seal.data_end
        {
            pack.set_sealed(SealedIndex::new(index, &seal));
            return Ok(None);
        }
        // Whoever began the pack may not have come as far as making its name durable.
        packs.sync_names()?;
        if reader::read_head(file.as_ref()).map_err(refused)? != head(None) {
            if self.shows_late {
                // Another writer brings it into order, which shows at once what it finds.
                return Ok(None);
            }
            let file = SyncedFile::new(file, &pack.path, 0);
            if let Some(found) = reader::find_seal(file.file.as_ref()).map_err(refused)? {
                // What nobody has announced counts only if it verifies, sealed or not. If it does
                // not it is left alone: whoever sealed it may be about to announce it.
                let end = found.0.data_end;
                if reader::is_sound(file.file.as_ref(), announced, end).map_err(refused)?
                    && let Some(extent) = finish_seal(pack, &file, found)?
                {
                    self.unannounced.add(extent);
                }
                return Ok(None);
            }
            if announced > SECTIONS_OFFSET {
                return Ok(None);
            }
            file.truncate(0)?;
            file.write_at(0, &head(None))?;
            let (pack, file) = (Arc::clone(pack), Arc::new(file));
            return Ok(Some(OwnPack { pack, file, announced, ahead: None }));
        }
        // Like the sections behind it, the head may be in the page cache alone.
        file.write_at(0, &head(None)).map_err(refused)?;
        let recover = |index: &mut OpenIndex| reader::recover(index, file.as_ref());
        let ahead = if self.shows_late {
            let mut ahead = pack.look(OpenIndex::successor);
            ahead.as_mut().map_or(Ok(()), recover).map_err(refused)?;
            ahead.filter(|ahead| ahead.end > announced)
        } else {
            pack.grow(recover).map_err(refused)?;
            None
        };
        let file = Arc::new(SyncedFile::new(file, &pack.path, 0));
        let own = OwnPack { pack: Arc::clone(pack), file, announced, ahead };
        own.file.truncate(own.end())?;
        Ok(Some(own))
    }
}

/// Reads a section of a pack whose sync failed and verifies it.
fn read_back(pack: &Pack, file: &SyncedFile, span: Span) -> Result<Block, StoreError> {
    let bytes = crate::disk::read_vec(file.file.as_ref(), span.offset, span.len)
        .map_err(|error| StoreError::read(&pack.path, error))?;
    let section = Bytes::from(bytes);
    let prefix = car::parse_section_prefix(&section).map_err(|error| {
        let unreadable = std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string());
        file.poison().unwrap_or_else(|| StoreError::poisoned(&pack.path, unreadable))
    })?;
    let data = section.slice(prefix.prefix_len.min(section.len())..);
    let block = UnverifiedBlock { cid: prefix.cid, data }.verify();
    block.map_err(|_| corrupt(&prefix.cid, pack.id, span.offset))
}

/// Seals a pack. It is durable as a whole when this returns.
fn seal(own: &OwnPack) -> Result<Option<Extent>, StoreError> {
    let Some((index, data_end)) =
        own.pack.look(|index| (car::Index::build(index.entries()), index.end))
    else {
        return Ok(None);
    };
    let bytes = index.to_bytes();
    let seal = Seal { data_end, index_len: bytes.len() as u64, index_crc: crc32c::crc32c(&bytes) };
    own.file.truncate(data_end)?;
    own.file.append(data_end, &[seal.to_bytes().as_slice(), &bytes].concat())?;
    own.file.sync()?;
    finish_seal(&own.pack, &own.file, (seal, index))
}

/// Writes the header that makes a pack sealed; seal and index must be durable.
fn finish_seal(
    pack: &Pack,
    file: &SyncedFile,
    (seal, index): (Seal, car::Index),
) -> Result<Option<Extent>, StoreError> {
    // The checksum over the prefixes is what the log keeps of a pack, sealed or not.
    pack.grow(|known| reader::walk(known, file.file.as_ref(), seal.data_end))
        .map_err(|error| StoreError::read(&pack.path, error))?;
    let known = pack.look(|known| (known.end, known.prefix_crc));
    let Some((_, prefix_crc)) = known.filter(|(end, _)| *end == seal.data_end) else {
        return Ok(None);
    };
    // The whole head: of a pack that was never synced before, a power cut may have taken all of it.
    file.write_at(0, &head(Some(&seal))).inspect_err(|_| {
        // The pack stays open, and its next seal begins with cutting this one off.
        let _open_again = file.write_at(0, &head(None));
    })?;
    file.sync()?;
    pack.set_sealed(SealedIndex::new(index, &seal));
    Ok(Some(Extent { pack: pack.id, len: seal.data_end, prefix_crc }))
}
