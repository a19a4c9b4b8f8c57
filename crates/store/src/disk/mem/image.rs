//! The two images of a disk in memory and what a power cut makes of them; no locks, no processes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::OpenMode;

/// The unit in which a disk writes or loses data, in bytes.
const SECTOR_BYTES: u64 = 512;

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    /// The process.
    pub(super) process: u64,
    /// The open file of it.
    pub(super) handle: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(u64),
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(PathBuf, Node),
    Unset(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What the durable image lacks, oldest first.
    unsynced: Vec<Change>,
    holder: Option<Holder>,
}

/// The whole disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    names: BTreeMap<PathBuf, Node>,
    names_durable: BTreeMap<PathBuf, Node>,
    /// What the durable names lack, oldest first.
    names_unsynced: Vec<NameChange>,
    inodes: BTreeMap<u64, Inode>,
    power: u64,
}

impl NameChange {
    fn folder(&self) -> &Path {
        let (Self::Set(path, _) | Self::Unset(path) | Self::Rename(_, path)) = self;
        path.parent().unwrap_or(Path::new(""))
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Set(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Unset(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => overwrite(content, *offset, data),
            Self::Truncate(size) => content.resize(to_usize(*size), 0),
        }
    }
}

impl Image {
    /// Counts the power cuts, so that handles from before one are told apart.
    pub(super) fn power(&self) -> u64 {
        self.power
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<u64> {
        match (self.names.get(path), mode) {
            (Some(Node::Folder), _) => Err(io::ErrorKind::IsADirectory.into()),
            (Some(Node::File(_)), OpenMode::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
            (Some(Node::File(inode)), _) => Ok(*inode),
            (None, OpenMode::Read | OpenMode::Write) => Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::WriteOrCreate | OpenMode::CreateNew) => {
                self.check_folder(path.parent().unwrap_or(Path::new("")))?;
                let inode = self.inodes.len() as u64;
                self.inodes.insert(inode, Inode::default());
                self.change_name(NameChange::Set(path.to_owned(), Node::File(inode)));
                Ok(inode)
            }
        }
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for folder in above {
            match self.names.get(folder) {
                Some(Node::Folder) => {}
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None if folder.parent().is_none() => {
                    // The top of the disk is in no folder that could lose it.
                    self.names.insert(folder.to_owned(), Node::Folder);
                    self.names_durable.insert(folder.to_owned(), Node::Folder);
                }
                None => self.change_name(NameChange::Set(folder.to_owned(), Node::Folder)),
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.check_folder(path)?;
        let within = self.names.keys().filter(|name| name.parent() == Some(path));
        let names = within.filter_map(|name| name.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.inode_at(path)?;
        self.change_name(NameChange::Unset(path.to_owned()));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.inode_at(from)?;
        if from.parent() != to.parent() {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.check_folder(path)?;
        let (synced, rest) = std::mem::take(&mut self.names_unsynced)
            .into_iter()
            .partition(|change| change.folder() == path);
        self.names_unsynced = rest;
        let synced: Vec<NameChange> = synced;
        for change in &synced {
            change.apply(&mut self.names_durable);
        }
        Ok(())
    }

    pub(super) fn size(&self, inode: u64) -> io::Result<u64> {
        Ok(self.inode(inode)?.live.len() as u64)
    }

    pub(super) fn read_at(&self, inode: u64, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let live = &self.inode(inode)?.live;
        let rest = live.get(to_usize(offset)..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(read)
    }

    pub(super) fn write_at(&mut self, inode: u64, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(inode, Change::Write { offset, data: data.to_vec() })
    }

    pub(super) fn truncate(&mut self, inode: u64, size: u64) -> io::Result<()> {
        self.change(inode, Change::Truncate(size))
    }

    pub(super) fn sync_data(&mut self, inode: u64) -> io::Result<()> {
        let inode = self.inode_mut(inode)?;
        for change in std::mem::take(&mut inode.unsynced) {
            change.apply(&mut inode.durable);
        }
        Ok(())
    }

    pub(super) fn is_locked(&self, inode: u64) -> bool {
        self.inodes.get(&inode).is_some_and(|inode| inode.holder.is_some())
    }

    pub(super) fn has_name(&self, inode: u64) -> bool {
        self.names.values().any(|node| matches!(node, Node::File(named) if *named == inode))
    }

    pub(super) fn try_lock(&mut self, inode: u64, holder: Holder) -> io::Result<bool> {
        let inode = self.inode_mut(inode)?;
        Ok(*inode.holder.get_or_insert(holder) == holder)
    }

    pub(super) fn unlock(&mut self, inode: u64, holder: Holder) -> io::Result<()> {
        let inode = self.inode_mut(inode)?;
        inode.holder = inode.holder.take().filter(|held| *held != holder);
        Ok(())
    }

    pub(super) fn release_process(&mut self, process: u64) {
        for inode in self.inodes.values_mut() {
            inode.holder = inode.holder.take().filter(|held| held.process != process);
        }
    }

    pub(super) fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.inode(self.inode_at(path)?)?.live.clone())
    }

    pub(super) fn set_content(&mut self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        let number = self.inode_at(path)?;
        let inode = self.inode_mut(number)?;
        inode.unsynced.clear();
        inode.durable.clone_from(&content);
        inode.live = content;
        Ok(())
    }

    pub(super) fn forget_unsynced(&mut self, path: &Path) -> io::Result<()> {
        let number = self.inode_at(path)?;
        self.inode_mut(number)?.unsynced.clear();
        Ok(())
    }

    /// Makes the live image what is found when the power is back.
    pub(super) fn crash(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        self.power += 1;
        let unsynced = std::mem::take(&mut self.names_unsynced);
        let kept = dice.below(unsynced.len() as u64 + 1);
        let any_order = dice.coin();
        for (at, change) in unsynced.iter().enumerate() {
            if if any_order { dice.coin() } else { (at as u64) < kept } {
                change.apply(&mut self.names_durable);
            }
        }
        drop_orphans(&mut self.names_durable);
        self.names = self.names_durable.clone();
        for inode in self.inodes.values_mut() {
            inode.crash(&mut dice);
        }
    }

    fn inode(&self, inode: u64) -> io::Result<&Inode> {
        self.inodes.get(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_mut(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_at(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn check_folder(&self, path: &Path) -> io::Result<()> {
        match self.names.get(path) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.names_unsynced.push(change);
    }

    fn change(&mut self, inode: u64, change: Change) -> io::Result<()> {
        let inode = self.inode_mut(inode)?;
        change.apply(&mut inode.live);
        inode.unsynced.push(change);
        Ok(())
    }
}

impl Inode {
    fn crash(&mut self, dice: &mut Dice) {
        let unsynced = std::mem::take(&mut self.unsynced);
        match dice.below(4) {
            0 => {}
            1 => self.keep_prefix(&unsynced, dice),
            2 => self.keep_sectors(&unsynced, dice),
            _ => unsynced.iter().for_each(|change| change.apply(&mut self.durable)),
        }
        self.live.clone_from(&self.durable);
        self.holder = None;
    }

    /// Keeps some first changes, and of the next one a prefix of any number of bytes.
    fn keep_prefix(&mut self, unsynced: &[Change], dice: &mut Dice) {
        let kept = dice.below(unsynced.len() as u64 + 1);
        for (at, change) in (0_u64..).zip(unsynced) {
            match change {
                _ if at < kept => change.apply(&mut self.durable),
                Change::Write { offset, data } if at == kept => {
                    let torn = to_usize(dice.below(data.len() as u64 + 1));
                    overwrite(&mut self.durable, *offset, data.get(..torn).unwrap_or_default());
                }
                _ => return,
            }
        }
    }

    /// Keeps or loses every sector by itself. Where one is lost behind the old end of the file,
    /// the file may still have grown: what is there then is nothing, zeros, or anything.
    fn keep_sectors(&mut self, unsynced: &[Change], dice: &mut Dice) {
        let lost = Lost::draw(dice);
        for change in unsynced {
            match change {
                Change::Write { offset, data } => {
                    let mut at = *offset;
                    let mut rest = data.as_slice();
                    while !rest.is_empty() {
                        let room = to_usize(SECTOR_BYTES - at % SECTOR_BYTES);
                        let (sector, next) = rest.split_at(room.min(rest.len()));
                        if dice.coin() {
                            overwrite(&mut self.durable, at, sector);
                        } else if at >= self.durable.len() as u64 {
                            lost.leave(&mut self.durable, at, sector.len(), dice);
                        }
                        at += sector.len() as u64;
                        rest = next;
                    }
                }
                Change::Truncate(_) if dice.coin() => change.apply(&mut self.durable),
                Change::Truncate(_) => {}
            }
        }
    }
}

/// What is found in a sector that was never written, if the file's size says that it is there.
enum Lost {
    Nothing,
    Zeros,
    Anything,
}

impl Lost {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self::Nothing,
            1 => Self::Zeros,
            _ => Self::Anything,
        }
    }

    fn leave(&self, content: &mut Vec<u8>, at: u64, len: usize, dice: &mut Dice) {
        match self {
            Self::Nothing => {}
            Self::Zeros => overwrite(content, at, &vec![0; len]),
            Self::Anything => {
                let found: Vec<u8> = (0..len).map(|_| dice.byte()).collect();
                overwrite(content, at, &found);
            }
        }
    }
}

/// Removes what stands in folders that are gone.
fn drop_orphans(names: &mut BTreeMap<PathBuf, Node>) {
    // A folder stands before what is in it.
    let mut kept = BTreeMap::new();
    for (path, node) in std::mem::take(names) {
        let is_reachable =
            path.parent().is_none_or(|folder| kept.get(folder) == Some(&Node::Folder));
        if is_reachable {
            kept.insert(path, node);
        }
    }
    *names = kept;
}

fn overwrite(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let begin = to_usize(offset);
    let end = begin + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(begin..end) {
        place.copy_from_slice(data);
    }
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A repeatable source of choices (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() >> 56).unwrap_or_default()
    }
}
