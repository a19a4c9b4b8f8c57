//! Chooses which packs go, by figures alone; pure.

/// What is known of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figures {
    /// Whether it can be retired at all.
    pub(super) is_free: bool,
    /// Bytes of live blocks that count here: of several copies one does.
    pub(super) bytes_live: u64,
    /// Bytes of all blocks.
    pub(super) bytes_total: u64,
}

/// The limits of a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) live_share_min_percent: u32,
    /// The size over which a pack is sealed, in bytes.
    pub(super) pack_bytes_max: u64,
}

/// From how many small packs on they are written into one.
const SMALL_PACKS_MAX: usize = 32;
/// A pack is small below this part of the size over which it would be sealed.
const SMALL_SHARE: u64 = 8;
/// The most packs that are retired at once: each is an open file until then.
const ROUND_PACKS_MAX: usize = 128;

/// Returns which packs go, as places in `packs`, in rounds. The room of one round comes back before
/// the next one needs some, so those come first that need least.
pub(super) fn rounds(packs: &[Figures], limits: Limits) -> Vec<Vec<usize>> {
    let mut goes: Vec<(usize, Figures)> = Vec::new();
    let mut small: Vec<(usize, Figures)> = Vec::new();
    for (at, pack) in packs.iter().copied().enumerate().filter(|(_, pack)| pack.is_free) {
        if is_sparse(pack, limits.live_share_min_percent) {
            goes.push((at, pack));
        } else if pack.bytes_total < limits.pack_bytes_max / SMALL_SHARE {
            small.push((at, pack));
        }
    }
    goes.sort_by_key(|(at, pack)| (pack.bytes_live, *at));
    if small.len() > SMALL_PACKS_MAX {
        small.sort_by_key(|(at, pack)| (pack.bytes_live, *at));
        let mut room = limits.pack_bytes_max;
        goes.extend(small.into_iter().take_while(|(_, pack)| {
            let fits = pack.bytes_live <= room;
            room = room.saturating_sub(pack.bytes_live);
            fits
        }));
    }
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (at, pack) in goes {
        match rounds.last_mut() {
            Some(round)
                if round.len() < ROUND_PACKS_MAX
                    && bytes + pack.bytes_live <= limits.pack_bytes_max =>
            {
                round.push(at);
                bytes += pack.bytes_live;
            }
            _ => {
                rounds.push(vec![at]);
                bytes = pack.bytes_live;
            }
        }
    }
    rounds
}

/// Returns whether too little of a pack is live.
fn is_sparse(pack: Figures, live_share_min_percent: u32) -> bool {
    pack.bytes_live == 0
        || u128::from(pack.bytes_live) * 100
            < u128::from(pack.bytes_total) * u128::from(live_share_min_percent)
}

#[cfg(test)]
mod tests;
