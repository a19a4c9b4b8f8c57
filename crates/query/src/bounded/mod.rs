//! Functions of SQL whose value may be far larger than their arguments, such as `repeat`: each is
//! asked how much it would make before it makes it, because what a function makes is not taken from
//! the memory that is shared out to statements.
//!
//! What a function does stays the engine's. Aggregates, joins and literals are not bounded here.

mod column;
mod function;
mod growth;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use self::function::Bounded;
use self::growth::Growth;

/// Which part of the memory of all statements one call may fill.
const SHARE: usize = 4;
/// What one call may fill however little memory there is: a call makes the values of some thousand
/// rows, and a few kilobytes for each are honest work.
const BYTES_LEAST: usize = 16 << 20;

/// Bounds those of `functions` that grow, where `memory_bytes_max` is the memory of all statements.
pub(crate) fn bound(functions: &mut Option<Vec<Arc<ScalarUDF>>>, memory_bytes_max: usize) {
    let bytes_max = (memory_bytes_max / SHARE).max(BYTES_LEAST) as u64;
    for function in functions.iter_mut().flatten() {
        *function = bounded(Arc::clone(function), bytes_max);
    }
}

/// Returns a function that refuses to make more than `bytes_max`, or the same where it does not
/// grow or is bounded already.
fn bounded(function: Arc<ScalarUDF>, bytes_max: u64) -> Arc<ScalarUDF> {
    match Growth::of(function.name()) {
        Some(growth) if !function.inner().is::<Bounded>() => {
            Arc::new(ScalarUDF::from(Bounded { function, growth, bytes_max }))
        }
        _ => function,
    }
}

#[cfg(test)]
mod tests;
