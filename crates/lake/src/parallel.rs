//! The same work for many things, on as many threads as the settings allow.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::Error;

/// Does `work` for each of `items` on up to `threads` threads, this one among them, and returns
/// what came of them in their order. After a failure nothing more is begun.
///
/// # Errors
/// The failure of the first item, in their order, that fails: which thread was quicker does not matter,
/// for those before an item have begun before it, and what has begun is done.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let run = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item).inspect_err(|_| failed.store(true, Ordering::Relaxed));
            done.push((index, result));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::in_parallel;
    use crate::error::Error;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [0, 1, 3, 200] {
            let doubled = in_parallel(threads, &items, |item| Ok(2 * item)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| 2 * item).collect::<Vec<u32>>());
        }
        assert!(in_parallel(4, &[] as &[u32], |item| Ok(*item)).unwrap().is_empty());
    }

    #[test]
    fn the_first_failure_ends_it() {
        for threads in [1, 3] {
            let work = |item: &u32| match item {
                7 => Err(Error::invalid("seven")),
                item => Ok(*item),
            };
            let items: Vec<u32> = (0..50).collect();
            assert_eq!(in_parallel(threads, &items, work).unwrap_err().to_string(), "seven");
        }
    }

    #[test]
    fn the_failure_that_counts_is_that_of_the_first_item() {
        let second_has_failed = std::sync::Barrier::new(2);
        let work = |item: &u32| {
            // The second is done before the first goes on.
            if *item < 2 {
                second_has_failed.wait();
            }
            Err::<(), _>(Error::invalid(item.to_string()))
        };
        assert_eq!(in_parallel(2, &[0, 1, 2], work).unwrap_err().to_string(), "0");
    }
}
