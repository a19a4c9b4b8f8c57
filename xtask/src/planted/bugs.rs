//! The bugs: what each of them is, and the edit that plants it. Pure data.
//!
//! The text to be replaced must stand in its file exactly once, so that code that moves on takes
//! its bugs along or says that it has lost them. A change of how the store keeps its promises comes
//! with the bugs that would break it.

/// A bug that somebody could have written.
#[derive(Debug)]
pub(super) struct Bug {
    /// What is wrong with the store that has it.
    pub(super) name: &'static str,
    /// The file, below `crates/store/src`.
    pub(super) file: &'static str,
    /// What stands there.
    pub(super) good: &'static str,
    /// What stands there with the bug.
    pub(super) bad: &'static str,
}

/// All bugs.
#[rustfmt::skip]
pub(super) const BUGS: &[Bug] = &[
    Bug {
        name: "a pack is not synced before the record that announces it",
        file: "commit.rs",
        good: "    pending.sync()?;\n",
        bad: "",
    },
    Bug {
        name: "the log is not synced",
        file: "log/writer.rs",
        good: "    file.sync_data().map_err(|_| StoreError::Poisoned { path: path.clone() })?;\n    // The records",
        bad: "    // The records",
    },
    Bug {
        name: "a commit is acknowledged although the log's sync failed",
        file: "log/writer.rs",
        good: "    file.sync_data().map_err(|_| StoreError::Poisoned { path: path.clone() })?;\n    // The records",
        bad: "    let _acknowledged = file.sync_data();\n    // The records",
    },
    Bug {
        name: "a commit is acknowledged although the pack's sync failed",
        file: "commit.rs",
        good: "    pending.sync()?;\n",
        bad: "    let _acknowledged = pending.sync();\n",
    },
    Bug {
        name: "a failed sync of a pack is tried again",
        file: "pack/writer.rs",
        good: "            state.is_poisoned = true;\n",
        bad: "",
    },
    Bug {
        name: "a failed sync of the log is tried again",
        file: "log/writer.rs",
        good: "            lock(tail).poisoned = Some(segment.name);\n",
        bad: "",
    },
    Bug {
        name: "blocks of a pack that could not be synced are not written again",
        file: "pack/writer.rs",
        good: "                self.append(packs, &[&block], refresh)?;\n",
        bad: "",
    },
    Bug {
        name: "the log's mark is not looked at",
        file: "log/writer.rs",
        good: "        Ok(Self { file, path, dirty })",
        bad: "        Ok(Self { file, path, dirty: dirty & false })",
    },
    Bug {
        name: "the log's mark is not set",
        file: "log/writer.rs",
        good: "        log_lock.set(DIRTY)?;\n        // From here on",
        bad: "        // From here on",
    },
    Bug {
        name: "the log's lock is not taken",
        file: "log/writer.rs",
        good: "        file.lock().map_err(refused)?;\n",
        bad: "",
    },
    Bug {
        name: "a torn tail is taken for the end and written over",
        file: "log/writer.rs",
        good: "    if log_lock.is_dirty() || tail.torn {",
        bad: "    if log_lock.is_dirty() {",
    },
    Bug {
        name: "a torn write is taken for damage",
        file: "log/reader.rs",
        good: "                    && record.lsn.saturating_sub(u64::from(record.ordinal)) > missing",
        bad: "                    && record.lsn > missing",
    },
    Bug {
        name: "the chain of records is not verified",
        file: "log/reader.rs",
        good: "                if record.lsn != self.position.last + 1 || record.prev != self.position.chain {",
        bad: "                if record.lsn != self.position.last + 1 {",
    },
    Bug {
        name: "a commit counts record by record",
        file: "log/reader.rs",
        good: "                    if !record.more {",
        bad: "                    if record.lsn > 0 {",
    },
    Bug {
        name: "a segment is renamed before it is synced",
        file: "log/writer.rs",
        good: "    file.sync_data().map_err(refused)?;\n    drop(file);",
        bad: "    drop(file);",
    },
    Bug {
        name: "the name of a segment is not made durable",
        file: "log/writer.rs",
        good: "    folder.disk.rename(&draft, &path).map_err(refused)?;\n    folder\n        .disk\n        .sync_dir(&folder.path)\n        .map_err(|error| StoreError::change(&folder.path, \"sync\", error))",
        bad: "    folder.disk.rename(&draft, &path).map_err(refused)",
    },
    Bug {
        name: "what a commit expects of the log is not looked at",
        file: "commit.rs",
        good: "                Expect::Last(expected) => visible <= expected && expected.0 <= last,",
        bad: "                Expect::Last(_) => true,",
    },
    Bug {
        name: "the name of a new pack is not made durable",
        file: "pack/writer.rs",
        good: "            packs.sync_names()?;\n            let file",
        bad: "            let file",
    },
    Bug {
        name: "the name of an adopted pack is not made durable",
        file: "pack/writer.rs",
        good: "        packs.sync_names()?;\n        if reader::read_head",
        bad: "        if reader::read_head",
    },
    Bug {
        name: "a new pack is begun although another process has filled it",
        file: "pack/writer.rs",
        good: " || file.size().map_err(refused)? > 0 {",
        bad: " {",
    },
    Bug {
        name: "a pack's lock is not asked for",
        file: "pack/writer.rs",
        good: "            if !locked.map_err(|error| StoreError::change(&pack.path, \"lock\", error))? {",
        bad: "            if locked.is_err() {",
    },
    Bug {
        name: "a pack is sealed before its index is synced",
        file: "pack/writer.rs",
        good: "    own.file.sync()?;\n    finish_seal",
        bad: "    finish_seal",
    },
    Bug {
        name: "half of the head of a pack is written when it is sealed",
        file: "pack/writer.rs",
        good: "    file.write_at(0, &head(Some(&seal))).inspect_err(",
        bad: "    file.write_at(0, head(Some(&seal)).get(..51).unwrap_or_default()).inspect_err(",
    },
    Bug {
        name: "a pack that could not be sealed keeps half of a sealed head",
        file: "pack/writer.rs",
        good: "        let _open_again = file.write_at(0, &head(None));\n",
        bad: "",
    },
    Bug {
        name: "a sealed pack is never announced",
        file: "pack/writer.rs",
        good: "            self.unannounced.extend(extent);\n            self.own",
        bad: "            let _lost = extent;\n            self.own",
    },
    Bug {
        name: "a sealed pack is adopted without a look at its blocks",
        file: "pack/writer.rs",
        good: "                if reader::is_sound(file.file.as_ref(), announced, end).map_err(refused)? {",
        bad: "                if end > 0 {",
    },
    Bug {
        name: "a pack's tail is adopted by its lengths alone",
        file: "pack/reader.rs",
        good: "    while let Some((prefix, section)) = verified_section(&mut window, index.end, size)? {\n        file.write_at(index.end, &section)?;\n",
        bad: "    while let Some(prefix) = Prefix::read(&mut window, index.end, size)? {\n",
    },
    Bug {
        name: "the head of an adopted pack is not written again",
        file: "pack/writer.rs",
        good: "        file.write_at(0, &head(None)).map_err(refused)?;\n        pack.grow(|index| reader::recover",
        bad: "        pack.grow(|index| reader::recover",
    },
    Bug {
        name: "the blocks of an adopted pack are not written again",
        file: "pack/reader.rs",
        good: "        file.write_at(index.end, &section)?;\n",
        bad: "        let _same = section;\n",
    },
    Bug {
        name: "a block in another process's unsynced pack counts as here",
        file: "pack/reader.rs",
        good: "    if let Some(extent) = extent {\n        scan(&mut index, file, extent).map_err(refused)?;\n    }\n",
        bad: "    match extent {\n        Some(extent) => scan(&mut index, file, extent).map_err(refused)?,\n        None => walk(&mut index, file, u64::MAX).map_err(refused)?,\n    }\n",
    },
    Bug {
        name: "a sealed pack counts before the log says so",
        file: "pack/reader.rs",
        good: "        && extent.is_some_and(|extent| extent.len >= seal.data_end)\n",
        bad: "        && extent.is_none_or(|extent| extent.len <= u64::MAX)\n",
    },
    Bug {
        name: "a block is handed out without a look at its bytes",
        file: "pack/reader.rs",
        good: "    let data = crate::cache::owned(data, buffer_bytes);\n    UnverifiedBlock { cid: *cid, data }.verify().ok()",
        bad: "    let data = crate::cache::owned(data, buffer_bytes);\n    Some(Block::new(cidlake_block::Codec::Raw, data))",
    },
    Bug {
        name: "lake.toml is renamed before it is synced",
        file: "settings.rs",
        good: "    file.sync_data().map_err(refused)?;\n    drop(file);",
        bad: "    drop(file);",
    },
    Bug {
        name: "the folders of a new lake are not made durable",
        file: "settings.rs",
        good: "            synced => synced.map_err(|error| StoreError::change(above, \"sync\", error))?,",
        bad: "            _unsynced => {}",
    },
    Bug {
        name: "a short read is taken for the end of a file",
        file: "disk/mod.rs",
        good: "        if read == wanted || at.saturating_add(read as u64) >= file.size()? {",
        bad: "        if read <= wanted {",
    },
];
