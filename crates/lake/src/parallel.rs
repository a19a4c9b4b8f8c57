//! The same work for many things, on as many threads as the settings allow.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::Error;

/// Does `work` for each of `items` on up to `threads` threads, this one among them, and returns
/// what came of them in their order. After a failure nothing more is begun.
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
            let result = work(item).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            done.push((index, result));
        }
        Ok::<_, Error>(done)
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            let theirs = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            done = done.and_then(|mut done| {
                done.extend(theirs?);
                Ok(done)
            });
        }
        done
    })?;
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
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
}
