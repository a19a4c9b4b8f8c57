//! Walks through the part lists of a commit: all parts, the last ones, the right edge.
//!
//! Lists are fetched by the caller's function, one at a time, and each is compared with the link
//! that led to it. So a walk visits as many parts as the commit says, whatever blocks it is given,
//! and goes as deep as heights fall.

use cidlake_block::{Block, Cid};

use super::Part;
use super::list::{PartList, PartListLink};
use crate::commit::CommitError;

/// The levels of a right edge, and the parts of its last list.
type Edge = (Vec<Vec<PartListLink>>, Vec<Part>);

/// Returns all parts of the lists `top` of a commit, in row order.
///
/// # Errors
/// What `fetch` says, and what is wrong with the lists.
pub fn all_parts<E: From<CommitError>>(
    top: &[PartListLink],
    fetch: &mut dyn FnMut(&Cid) -> Result<Block, E>,
) -> Result<Vec<Part>, E> {
    let mut parts = Vec::new();
    let mut waiting: Vec<PartListLink> = top.iter().rev().cloned().collect();
    while let Some(link) = waiting.pop() {
        match link.decode(&fetch(&link.cid)?)? {
            PartList::Parts(listed) => parts.extend(listed),
            PartList::Links(links) => waiting.extend(links.into_iter().rev()),
        }
    }
    Ok(parts)
}

/// Returns the last `count` parts of the lists `top` of a commit, in row order; all where there
/// are fewer. Lists without any of them are not fetched.
///
/// # Errors
/// What `fetch` says, and what is wrong with the lists.
pub fn last_parts<E: From<CommitError>>(
    top: &[PartListLink],
    fetch: &mut dyn FnMut(&Cid) -> Result<Block, E>,
    count: usize,
) -> Result<Vec<Part>, E> {
    // From the last to the first, and turned about in the end.
    let mut parts = Vec::new();
    let mut waiting = top.to_vec();
    while parts.len() < count
        && let Some(link) = waiting.pop()
    {
        match link.decode(&fetch(&link.cid)?)? {
            PartList::Parts(listed) => parts.extend(listed.into_iter().rev()),
            PartList::Links(links) => waiting.extend(links),
        }
    }
    parts.truncate(count);
    parts.reverse();
    Ok(parts)
}

/// Returns the entries of the last list of every level, from `top` down, and the parts of the last
/// list of parts.
pub(super) fn right_edge<E: From<CommitError>>(
    top: &[PartListLink],
    fetch: &mut dyn FnMut(&Cid) -> Result<Block, E>,
) -> Result<Edge, E> {
    let mut edge = vec![top.to_vec()];
    loop {
        let Some(last) = edge.last().and_then(|level| level.last()) else {
            // Lists are never empty, so nothing but a table without parts ends here.
            return Ok((edge, Vec::new()));
        };
        match last.decode(&fetch(&last.cid)?)? {
            PartList::Parts(parts) => return Ok((edge, parts)),
            PartList::Links(links) => edge.push(links),
        }
    }
}

#[cfg(test)]
mod tests;
