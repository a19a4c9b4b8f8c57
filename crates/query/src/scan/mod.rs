//! The scan of parts: which of a filter's conditions are checked while a part is decoded, which
//! after, and which not at all, decided part by part from what was seen of the parts before.
//!
//! Checked while decoding ([late materialisation](https://arxiv.org/abs/1809.10256)), a condition
//! that few rows pass saves decoding the other columns of all others; one that many rows pass costs
//! more than it saves. Neither wins everywhere, so each condition is counted as it runs. A condition
//! that a join, a sort or an aggregate hands down is a hint: its node checks again, and it is left
//! out where it does not pay.
//!
//! Reading itself, with the pruning of row groups and pages, is the engine's Parquet source.

mod after;
mod choice;
mod condition;
mod early;
mod morsels;
mod source;

pub(crate) use source::FilteringSource;

#[cfg(test)]
mod tests;
