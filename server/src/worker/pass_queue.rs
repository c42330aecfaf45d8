//! The queue of passes: which wait, in which order, and for whom. Pure.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::RangeBounds;

/// Passes by key: equal ones, of one request or of several, are computed once.
///
/// In deadline order: the earlier goes first, and no pass waits for ever, since those that come later are due later.
#[derive(Debug)]
pub(super) struct PassQueue<M, K, W> {
    order: BTreeMap<(M, u64), K>,
    passes: HashMap<K, Pass<M, W>>,
    count: u64,
}

#[derive(Debug)]
struct Pass<M, W> {
    /// None while it runs.
    place: Option<(M, u64)>,
    waiters: Vec<W>,
}

impl<M: Copy + Ord, K: Clone + Eq + Hash, W> PassQueue<M, K, W> {
    pub(super) fn new() -> Self {
        Self {
            order: BTreeMap::new(),
            passes: HashMap::new(),
            count: 0,
        }
    }

    /// Lets a waiter wait for a pass. Says whether it is a new one.
    pub(super) fn add(&mut self, key: K, due: M, waiter: W) -> bool {
        self.count += 1;
        let place = (due, self.count);
        if let Some(pass) = self.passes.get_mut(&key) {
            pass.waiters.push(waiter);
            if let Some(known) = pass.place.filter(|known| place < *known) {
                self.order.remove(&known);
                self.order.insert(place, key);
                pass.place = Some(place);
            }
            return false;
        }
        self.order.insert(place, key.clone());
        let pass = Pass {
            place: Some(place),
            waiters: vec![waiter],
        };
        self.passes.insert(key, pass);
        true
    }

    /// When the last one is due.
    pub(super) fn last(&self) -> Option<M> {
        self.order.last_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the first pass that a caller still waits for, of those in a range of the order; it stays known until
    /// [`Self::finish`].
    pub(super) fn next(
        &mut self,
        places: impl RangeBounds<(M, u64)> + Clone,
        waits: impl Fn(&W) -> bool,
    ) -> Option<K> {
        while let Some(key) = self.pop(places.clone()) {
            let Some(pass) = self.passes.get_mut(&key) else {
                continue;
            };
            pass.waiters.retain(&waits);
            if pass.waiters.is_empty() {
                self.passes.remove(&key);
            } else {
                pass.place = None;
                return Some(key);
            }
        }
        None
    }

    fn pop(&mut self, places: impl RangeBounds<(M, u64)>) -> Option<K> {
        let place = *self.order.range(places).next()?.0;
        self.order.remove(&place)
    }

    /// Who waited for a pass that has run.
    pub(super) fn finish(&mut self, key: &K) -> Vec<W> {
        self.passes
            .remove(key)
            .map_or_else(Vec::new, |pass| pass.waiters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_passes_run_once_and_as_early_as_the_first_needs() {
        let mut queue = PassQueue::new();
        assert!(queue.add("long", 900, 1));
        assert!(queue.add("other", 500, 2));
        assert!(!queue.add("long", 100, 3));
        assert_eq!(queue.last(), Some(500));
        assert_eq!(queue.next(.., |_| true), Some("long"));
        assert!(!queue.add("long", 50, 4), "a running pass is joined");
        assert_eq!(queue.finish(&"long"), [1, 3, 4]);
        assert_eq!(queue.next((501, 0).., |_| true), None);
        assert_eq!(queue.next(..(500, 0), |_| true), None);
        assert_eq!(queue.next((400, 0).., |_| true), Some("other"));
        assert_eq!(queue.next(.., |_| true), None);
    }

    #[test]
    fn what_nobody_waits_for_is_dropped() {
        let mut queue = PassQueue::new();
        queue.add("left", 1, 1);
        queue.add("wanted", 2, 2);
        assert_eq!(queue.next(.., |waiter| *waiter != 1), Some("wanted"));
        assert!(queue.finish(&"left").is_empty());
    }
}
