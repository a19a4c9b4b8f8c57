//! The first few of many, by their place, without keeping the others.

use std::collections::BinaryHeap;

/// The least of the items that were pushed, no more than a number of them.
#[derive(Clone, Debug)]
pub(super) struct First<T> {
    most: usize,
    kept: BinaryHeap<T>,
}

impl<T: Ord> First<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: BinaryHeap::new() }
    }

    pub(super) fn push(&mut self, item: T) {
        if self.kept.len() < self.most {
            self.kept.push(item);
        } else if let Some(mut last) = self.kept.peek_mut()
            && item < *last
        {
            *last = item;
        }
    }

    /// Returns them, least first.
    pub(super) fn into_sorted(self) -> Vec<T> {
        self.kept.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::First;

    proptest! {
        #[test]
        fn the_least_are_kept_in_order(items in prop::collection::vec(0_u8..50, 0..40), most in 0_usize..8) {
            let mut first = First::new(most);
            items.iter().for_each(|item| first.push(*item));
            let mut sorted = items;
            sorted.sort_unstable();
            sorted.truncate(most);
            prop_assert_eq!(first.into_sorted(), sorted);
        }
    }
}
