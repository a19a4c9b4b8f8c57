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
        good: "    file.sync_data().map_err(|error| StoreError::poisoned(path, error))?;\n    // The records",
        bad: "    // The records",
    },
    Bug {
        name: "a commit is acknowledged although the log's sync failed",
        file: "log/writer.rs",
        good: "    file.sync_data().map_err(|error| StoreError::poisoned(path, error))?;\n    // The records",
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
        good: "            state.poison = Some(StoreError::poisoned(&self.path, error));\n",
        bad: "            return Err(StoreError::poisoned(&self.path, error));\n",
    },
    Bug {
        name: "a failed sync of the log is tried again",
        file: "log/writer.rs",
        good: "            lock(tail).poisoned = Some((segment.name, error.clone()));\n",
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
        good: "        Ok(Self { file, path, dirty, names, was_open, idle })",
        bad: "        Ok(Self { file, path, dirty: dirty & false, names, was_open, idle })",
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
        file: "log/walk.rs",
        good: "                    && record.lsn.saturating_sub(u64::from(record.ordinal)) > missing",
        bad: "                    && record.lsn > missing",
    },
    Bug {
        name: "the chain of records is not verified",
        file: "log/walk.rs",
        good: "                if record.lsn != self.position.last + 1 || record.prev != self.position.chain {",
        bad: "                if record.lsn != self.position.last + 1 {",
    },
    Bug {
        name: "a commit counts record by record",
        file: "log/reader.rs",
        good: "                    if record.more() {\n",
        bad: "                    if record.more() && record.lsn == 0 {\n",
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
        good: "    while let Some((prefix, section)) = verified_section(&mut window, index.end, size)? {\n        each(index.end, &section)?;\n",
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
        good: "    take_verified(index, file, |at, section| file.write_at(at, section))\n",
        bad: "    take_verified(index, file, |_, _| Ok(()))\n",
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
        name: "a folder above a new lake counts as durable although its sync failed",
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
    Bug {
        name: "nobody is told that names of segments change",
        file: "log/writer.rs",
        good: "        let names = self.names.wrapping_add(1);\n",
        bad: "        let names = self.names;\n",
    },
    Bug {
        name: "a segment that was kept open is written to although others may have come",
        file: "log/writer.rs",
        good: "        let is_last = held.was_open && !held.is_dirty() && held.names == self.names;\n",
        bad: "        let is_last = held.was_open && !held.is_dirty();\n",
    },
    Bug {
        name: "records behind the end of a segment that was kept open are not looked for",
        file: "log/writer.rs",
        good: "            && next.iter().all(|byte| *byte == 0)\n",
        bad: "            && next.len() > 1\n",
    },
    Bug {
        name: "flags of a newer program are passed over",
        file: "log/record.rs",
        good: "        if self.flags & !FLAG_MORE != 0 {\n",
        bad: "        if self.flags == u16::MAX {\n",
    },
    Bug {
        name: "a checkpoint is made while the mark is set",
        file: "checkpoint.rs",
        good: "            log::mend(&self.log_folder, &mut log_lock, &mut tail)?;\n",
        bad: "            let _dirty = (&mut log_lock, &mut tail);\n",
    },
    Bug {
        name: "a checkpoint is renamed before it is synced",
        file: "log/resume.rs",
        good: "        file.sync_data()\n    };",
        bad: "        Ok(())\n    };",
    },
    Bug {
        name: "a checkpoint is used although the log has another record there",
        file: "log/resume.rs",
        good: "        return Ok(stands_at(folder, name, at)?.then_some(*at));\n",
        bad: "        return Ok(stands_at(folder, name, at).map(|_| Some(*at))?);\n",
    },
    Bug {
        name: "an end that a checkpoint covers is taken for a torn write",
        file: "log/reader.rs",
        good: "        if last >= proven {\n",
        bad: "        if last <= proven {\n",
    },
    Bug {
        name: "a checkpoint forgets retired packs that wait",
        file: "checkpoint.rs",
        good: "            let retired = self.packs.retired_files()?;\n",
        bad: "            let retired = Vec::new();\n",
    },
    Bug {
        name: "a checkpoint forgets retired packs that may come back",
        file: "checkpoint.rs",
        good: "        self.packs.sync_names()?;\n",
        bad: "",
    },
    Bug {
        name: "a damaged page of a multi-pack index is trusted",
        file: "pack/midx/mod.rs",
        good: "content.len() == len && Some(crc32c::crc32c(content)) == crc)",
        bad: "content.len() == len && crc.is_some())",
    },
    Bug {
        name: "a multi-pack index counts whatever pack is there now",
        file: "pack/cover.rs",
        good: "        self.is_as_indexed(&pack, covered).is_ok_and(|is| is).then_some(pack)\n",
        bad: "        Some(pack)\n",
    },
    Bug {
        name: "a multi-pack index counts before the log says so",
        file: "pack/cover.rs",
        good: "        extent.is_some_and(|extent| extent.len >= covered.seal.data_end)\n    }\n\n    /// Returns whether a pack's file",
        bad: "        extent.is_none_or(|extent| extent.len >= covered.seal.data_end)\n    }\n\n    /// Returns whether a pack's file",
    },
    Bug {
        name: "a multi-pack index is renamed before it is synced",
        file: "pack/maintain.rs",
        good: "        let synced = written.and_then(|()| file.sync_data().map_err(Failure::Disk));\n",
        bad: "        let synced = written;\n",
    },
    Bug {
        name: "a multi-pack index leads to retired packs",
        file: "pack/known.rs",
        good: "                    if pack.standing.counts() {\n",
        bad: "                    if !pack.standing.is_gone() {\n",
    },
    Bug {
        name: "a collection ignores the leases of other processes",
        file: "gc/remove.rs",
        good: "    let elsewhere = parts.holds.oldest_elsewhere(may_remove)?;\n",
        bad: "    let elsewhere = parts.holds.oldest_elsewhere(may_remove)?.max(crate::lease::NOTHING_HELD);\n",
    },
    Bug {
        name: "a collection ignores the other holds of its process",
        file: "gc/remove.rs",
        good: "    Ok(parts.holds.oldest_besides(hold).map_or(elsewhere, |here| here.min(elsewhere)))\n",
        bad: "    let _here = parts.holds.oldest_besides(hold);\n    Ok(elsewhere)\n",
    },
    Bug {
        name: "a hold does not look at the log again after its lease is written",
        file: "hold.rs",
        good: "            let now = follow()?;\n",
        bad: "            let now = lsn;\n",
    },
    Bug {
        name: "a lease that cannot be read counts as none",
        file: "lease.rs",
        good: "    if bytes == to_bytes(lsn) { lsn } else { 0 }\n",
        bad: "    if bytes == to_bytes(lsn) { lsn } else { NOTHING_HELD }\n",
    },
    Bug {
        name: "a commit ignores that packs were retired",
        file: "commit.rs",
        good: "ticket.hold.is_behind(last_retired)) {",
        bad: "ticket.hold.is_behind(last_retired & 0)) {",
    },
    Bug {
        name: "a put does not remember what it found",
        file: "store.rs",
        good: "        hold.remember(blocks.iter().map(|block| *block.cid()).filter(|cid| !is_inline(cid)));\n",
        bad: "",
    },
    Bug {
        name: "packs are retired before the copies are synced",
        file: "gc/sweep.rs",
        good: "    pending.sync()?;\n    Ok(pending)",
        bad: "    Ok(pending)",
    },
    Bug {
        name: "packs are retired although new records may keep their blocks",
        file: "gc/sweep.rs",
        good: "        if visible <= self.seen && parts.packs.last_retired() == self.last_retired {\n",
        bad: "        if (visible, parts.packs.last_retired()) >= (Lsn(0), self.last_retired) {\n",
    },
    Bug {
        name: "packs are retired although another collection retired what was relied on",
        file: "gc/sweep.rs",
        good: "        if visible <= self.seen && parts.packs.last_retired() == self.last_retired {\n",
        bad: "        if visible <= self.seen {\n",
    },
    Bug {
        name: "a pack that is written to is collected",
        file: "gc/measure.rs",
        good: "    Ok(is_taken.then_some(file))\n",
        bad: "    Ok((is_taken || !is_taken).then_some(file))\n",
    },
    Bug {
        name: "a retired pack is adopted",
        file: "pack/writer.rs",
        good: "            if packs.is_retired(pack.id) {\n                continue;\n            }\n            if let Some(own)",
        bad: "            if let Some(own)",
    },
    Bug {
        name: "a copy is taken for good without a look at its bytes",
        file: "gc/sweep.rs",
        good: "            if !self.going.contains(&pack.id) && read_good(parts, &pack, span, cid)?.is_some() {\n",
        bad: "            if !self.going.contains(&pack.id) && span.len > 0 {\n",
    },
];
