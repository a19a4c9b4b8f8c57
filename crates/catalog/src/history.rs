//! How the commits of a dataset hang together: depths, jumps and times, and walks along them.
//!
//! Besides its parents a commit names an older one of its chain, its *jump*. Which one is decided
//! as in a random-access list of skew-binary numbers (E. W. Myers, "An applicative random-access
//! stack", 1983): where the two jumps before have one length, the next leaps over both. From any
//! commit any older one is then reached in a number of steps that grows with the logarithm of the
//! distance. Jumps only save steps: what a walk finds is what it would find along first parents.
//!
//! Commits are fetched by the caller's function, which gives `None` for those that are not here:
//! history may be cut anywhere. Where a jump is not here, a walk goes by parents.

use cidlake_block::Cid;

use crate::commit::Commit;

/// Fetches commits; `None` where one is not here.
pub type FetchCommit<'a, E> = dyn FnMut(&Cid) -> Result<Option<Commit>, E> + 'a;

/// Where a commit stands in its chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// How many commits stand before it.
    pub depth: u64,
    /// The older commit that it jumps to.
    pub jump: Option<Cid>,
    /// When it was made: never before its parent, whatever clocks say, so that times can be
    /// searched. In milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// What a walk came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Walked {
    /// The commit that was looked for.
    Found(Cid, Box<Commit>),
    /// None in the chain down to the first commit, or to the depth at which the walk was to end.
    /// This is the last one looked at.
    Ended(Cid, Box<Commit>),
    /// The chain goes on behind this commit, and its first parent is not here.
    Missing(Cid, Box<Commit>),
}

/// Why a chain of commits cannot be walked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A link leads to a commit whose depth does not go with it.
    #[error(
        "commit {commit} has depth {depth}, and its {what} {older} says depth {older_depth}: \
         one of the two was made by a faulty program"
    )]
    BadDepth {
        /// The commit.
        commit: Cid,
        /// Its depth.
        depth: u64,
        /// What the link stands for.
        what: &'static str,
        /// The commit that it leads to.
        older: Cid,
        /// What that says of its depth.
        older_depth: u64,
    },
}

impl Place {
    /// Returns the place of a commit without parents that is made now.
    #[must_use]
    pub fn first(now_ms: u64) -> Self {
        Self { time_ms: now_ms, ..Self::default() }
    }

    /// Returns the place of a commit that is made now and follows `parent`, which has the address
    /// `cid`. At most two commits are fetched.
    ///
    /// # Errors
    /// What `fetch` says, and [`HistoryError`] for a chain that contradicts itself.
    pub fn after<E: From<HistoryError>>(
        cid: Cid,
        parent: &Commit,
        now_ms: u64,
        fetch: &mut FetchCommit<'_, E>,
    ) -> Result<Self, E> {
        let jump = leap(cid, parent, fetch)?.unwrap_or(cid);
        let depth = parent.depth.saturating_add(1);
        Ok(Self { depth, jump: Some(jump), time_ms: now_ms.max(parent.time_ms) })
    }
}

/// Returns the commit two jumps behind `parent`, where both have one length.
fn leap<E: From<HistoryError>>(
    cid: Cid,
    parent: &Commit,
    fetch: &mut FetchCommit<'_, E>,
) -> Result<Option<Cid>, E> {
    let Some((near_cid, near)) = jump_of(cid, parent, fetch)? else { return Ok(None) };
    let Some((far_cid, far)) = jump_of(near_cid, &near, fetch)? else { return Ok(None) };
    let same = parent.depth - near.depth == near.depth - far.depth;
    Ok(same.then_some(far_cid))
}

/// Finds the commit of a chain that has this depth, from `head` on.
///
/// # Errors
/// What `fetch` says, and [`HistoryError`] for a chain that contradicts itself.
pub fn ancestor_at<E: From<HistoryError>>(
    head: (Cid, Commit),
    depth: u64,
    fetch: &mut FetchCommit<'_, E>,
) -> Result<Walked, E> {
    walk(head, depth, &|commit| commit.depth <= depth, fetch)
}

/// Finds the newest commit of a chain that was made at `time_ms` or before, from `head` on and
/// not below `depth_min`.
///
/// Times must not fall along first parents, which [`Place::after`] sees to. Where a foreign
/// program let them fall, an older commit than the newest may be found.
///
/// # Errors
/// What `fetch` says, and [`HistoryError`] for a chain that contradicts itself.
pub fn newest_at<E: From<HistoryError>>(
    head: (Cid, Commit),
    time_ms: u64,
    depth_min: u64,
    fetch: &mut FetchCommit<'_, E>,
) -> Result<Walked, E> {
    walk(head, depth_min, &|commit| commit.time_ms <= time_ms, fetch)
}

/// Finds the newest commit that `is_reached` holds for, as it does for every older one. Depths
/// fall with every step, so the walk ends.
fn walk<E: From<HistoryError>>(
    head: (Cid, Commit),
    depth_min: u64,
    is_reached: &dyn Fn(&Commit) -> bool,
    fetch: &mut FetchCommit<'_, E>,
) -> Result<Walked, E> {
    let (mut cid, mut commit) = head;
    loop {
        if commit.depth < depth_min {
            return Ok(Walked::Ended(cid, Box::new(commit)));
        }
        if is_reached(&commit) {
            return Ok(Walked::Found(cid, Box::new(commit)));
        }
        let Some(parent) = commit.parents.first().copied().filter(|_| commit.depth > depth_min)
        else {
            return Ok(Walked::Ended(cid, Box::new(commit)));
        };
        if commit.jump != Some(parent)
            && let Some((jump_cid, jump)) = jump_of(cid, &commit, fetch)?
            && jump.depth >= depth_min
            && !is_reached(&jump)
        {
            (cid, commit) = (jump_cid, jump);
            continue;
        }
        let Some(older) = fetch(&parent)? else {
            return Ok(Walked::Missing(cid, Box::new(commit)));
        };
        if older.depth.checked_add(1) != Some(commit.depth) {
            return Err(bad_depth(cid, &commit, "parent", parent, &older).into());
        }
        (cid, commit) = (parent, older);
    }
}

/// Returns the commit that `commit` jumps to, if it is here.
fn jump_of<E: From<HistoryError>>(
    cid: Cid,
    commit: &Commit,
    fetch: &mut FetchCommit<'_, E>,
) -> Result<Option<(Cid, Commit)>, E> {
    let Some(jump) = commit.jump else { return Ok(None) };
    let Some(older) = fetch(&jump)? else { return Ok(None) };
    if older.depth >= commit.depth {
        return Err(bad_depth(cid, commit, "jump", jump, &older).into());
    }
    Ok(Some((jump, older)))
}

fn bad_depth(
    cid: Cid,
    commit: &Commit,
    what: &'static str,
    older: Cid,
    older_commit: &Commit,
) -> HistoryError {
    let (depth, older_depth) = (commit.depth, older_commit.depth);
    HistoryError::BadDepth { commit: cid, depth, what, older, older_depth }
}

#[cfg(test)]
mod tests;
