//! Which parts two versions do not have in common, found from the lists of parts down: a list that
//! both have is not read, however many parts it lists.
//!
//! Parts are the same where their addresses and the values of their partition columns are, of tables
//! that are partitioned by the same columns. One that moved is in both versions and counts as common,
//! since its rows are.

use std::collections::HashMap;
use std::ops::Range;

use cidlake_block::Blocks;
use cidlake_catalog::{Part, PartId, PartList, PartListLink};

use super::align::matched;
use crate::error::QueryError;
use crate::parts::{Parts, read_lists};

/// A part, and how many rows of its version stand before it.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) part: Part,
    pub(super) start: u64,
}

/// Some rows of a part, counted from its first.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) placed: Placed,
    pub(super) ranges: Vec<Range<u64>>,
}

/// Neighbouring parts of two versions, none of which both have.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) a: Vec<Placed>,
    pub(super) b: Vec<Placed>,
}

/// A list of parts or a part, and how many rows stand before it.
#[derive(Clone, Debug)]
enum Node {
    List(PartListLink, u64),
    Part(Placed),
}

/// Neighbouring nodes of two versions.
#[derive(Debug, Default)]
struct Nodes {
    a: Vec<Node>,
    b: Vec<Node>,
}

impl Node {
    /// Returns what is equal for lists and for parts of the same rows.
    fn id(&self) -> PartId {
        match self {
            Self::List(link, _) => PartId { cid: link.cid, partition: Vec::new() },
            Self::Part(placed) => placed.part.id(),
        }
    }

    /// Returns the height of a list.
    fn height(&self) -> Option<u8> {
        match self {
            Self::List(link, _) => Some(link.height),
            Self::Part(_) => None,
        }
    }
}

/// Parts of one side that are looked at together, at most.
const RUN_PARTS_MAX: usize = 64;

/// Returns the parts that only one of two versions has, in row order, those of one place together;
/// all parts where the versions are not partitioned by the same columns.
pub(super) async fn differing(
    a: &Parts,
    b: &Parts,
    partitioned_alike: bool,
    blocks: &dyn Blocks,
) -> Result<Vec<Run>, QueryError> {
    let mut runs = vec![Nodes { a: nodes(a), b: nodes(b) }];
    loop {
        // The values of other partition columns may be written in the same way.
        if partitioned_alike {
            runs = runs.into_iter().flat_map(split).collect();
            leave_out_moved(&mut runs);
        }
        let all = runs.iter().flat_map(|run| run.a.iter().chain(&run.b));
        let Some(height) = all.filter_map(Node::height).max() else { break };
        for run in &mut runs {
            run.a = lowered(std::mem::take(&mut run.a), height, blocks).await?;
            run.b = lowered(std::mem::take(&mut run.b), height, blocks).await?;
        }
    }
    let placed = |nodes: Vec<Node>| {
        let part = |node| match node {
            Node::Part(placed) => Some(placed),
            Node::List(..) => None,
        };
        nodes.into_iter().filter_map(part).collect()
    };
    let runs = runs.into_iter().map(|run| Run { a: placed(run.a), b: placed(run.b) });
    Ok(runs.flat_map(|run| cut(&run)).collect())
}

/// Cuts a long run into shorter ones, of as much of one side as of the other. What is equal across a
/// cut is found later, and not as cheaply.
fn cut(run: &Run) -> Vec<Run> {
    let (a, b) = (&run.a, &run.b);
    let count = a.len().max(b.len()).div_ceil(RUN_PARTS_MAX);
    let share = |parts: &[Placed], number: usize| {
        let (start, end) = (number * parts.len() / count, (number + 1) * parts.len() / count);
        parts.get(start..end).unwrap_or_default().to_vec()
    };
    (0..count).map(|number| Run { a: share(a, number), b: share(b, number) }).collect()
}

fn nodes(parts: &Parts) -> Vec<Node> {
    match parts {
        Parts::Listed(links) => listed(links.to_vec(), 0),
        Parts::Given(parts) => placed(parts.to_vec(), 0),
    }
}

fn listed(links: Vec<PartListLink>, mut start: u64) -> Vec<Node> {
    let place = |link: PartListLink| {
        let before = start;
        start += link.rows;
        Node::List(link, before)
    };
    links.into_iter().map(place).collect()
}

/// Gives parts their place; one without rows has nothing to compare.
fn placed(parts: Vec<Part>, mut start: u64) -> Vec<Node> {
    let place = |part: Part| {
        let before = start;
        start += part.rows;
        Node::Part(Placed { part, start: before })
    };
    parts.into_iter().filter(|part| part.rows > 0).map(place).collect()
}

/// Leaves out what stands at its place on both sides, and cuts there.
fn split(run: Nodes) -> Vec<Nodes> {
    let ids = |nodes: &[Node]| nodes.iter().map(Node::id).collect::<Vec<PartId>>();
    let same = matched(&ids(&run.a), &ids(&run.b));
    let (mut a, mut b) = (run.a.into_iter(), run.b.into_iter());
    let (mut a_done, mut b_done) = (0, 0);
    let mut runs = Vec::with_capacity(same.len() + 1);
    for (a_next, b_next) in same {
        let before = Nodes {
            a: a.by_ref().take(a_next - a_done).collect(),
            b: b.by_ref().take(b_next - b_done).collect(),
        };
        runs.push(before);
        drop((a.next(), b.next()));
        (a_done, b_done) = (a_next + 1, b_next + 1);
    }
    runs.push(Nodes { a: a.collect(), b: b.collect() });
    runs.retain(|run| !run.a.is_empty() || !run.b.is_empty());
    runs
}

/// Leaves out what both sides have, as often as both have it, at whatever places.
fn leave_out_moved(runs: &mut Vec<Nodes>) {
    let mut there: HashMap<PartId, usize> = HashMap::new();
    for node in runs.iter().flat_map(|run| &run.b) {
        *there.entry(node.id()).or_default() += 1;
    }
    let mut moved: HashMap<PartId, usize> = HashMap::new();
    let take = |counts: &mut HashMap<PartId, usize>, node: &Node| {
        let count = counts.get_mut(&node.id()).filter(|count| **count > 0);
        count.map(|count| *count -= 1).is_some()
    };
    for run in runs.iter_mut() {
        run.a.retain(|node| {
            let is_there = take(&mut there, node);
            if is_there {
                *moved.entry(node.id()).or_default() += 1;
            }
            !is_there
        });
    }
    for run in runs.iter_mut() {
        run.b.retain(|node| !take(&mut moved, node));
    }
    runs.retain(|run| !run.a.is_empty() || !run.b.is_empty());
}

/// Puts what lists of one height list in their places.
async fn lowered(
    nodes: Vec<Node>,
    height: u8,
    blocks: &dyn Blocks,
) -> Result<Vec<Node>, QueryError> {
    let is_high = |node: &Node| node.height() == Some(height);
    let high = nodes.iter().filter(|node| is_high(node));
    let links: Vec<PartListLink> = high
        .filter_map(|node| match node {
            Node::List(link, _) => Some(link.clone()),
            Node::Part(_) => None,
        })
        .collect();
    let mut lists = read_lists(blocks, &links).await?.into_iter();
    let mut out = Vec::with_capacity(nodes.len());
    for node in nodes {
        match node {
            Node::List(link, start) if link.height == height => match lists.next() {
                Some(PartList::Parts(parts)) => out.extend(placed(parts, start)),
                Some(PartList::Links(links)) => out.extend(listed(links, start)),
                None => return Err(QueryError::internal("a list of parts was not read")),
            },
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
