//! Places for connections: a bound, and who goes when it is reached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::line::Line;

/// So many connections at once.
#[derive(Debug)]
pub(super) struct Pool {
    lines: Mutex<Vec<Arc<Line>>>,
    bound: usize,
    is_reserve: bool,
}

/// A connection's place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    pool: Arc<Pool>,
    pub(super) line: Arc<Line>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.pool.lines();
        lines.retain(|line| !Arc::ptr_eq(line, &self.line));
    }
}

impl Pool {
    /// On those of a reserve only probes are answered.
    pub(super) fn new(bound: usize, is_reserve: bool) -> Arc<Self> {
        let lines = Mutex::default();
        Arc::new(Self {
            lines,
            bound,
            is_reserve,
        })
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place that is free, or that of the connection whose caller has been waited for the longest. nginx does the
    /// same with idle connections (`worker_connections`); here one that sends its head or its body slowly counts too.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Place> {
        let mut lines = self.lines();
        if lines.len() >= self.bound && !give_up_one(&mut lines) {
            return None;
        }
        let line = Arc::new(Line::new(self.is_reserve));
        lines.push(line.clone());
        let pool = self.clone();
        Some(Place { pool, line })
    }

    /// Closes the connection whose caller has been waited for the longest, if there is one.
    pub(super) fn give_up_one(&self) {
        give_up_one(&mut self.lines());
    }
}

fn give_up_one(lines: &mut Vec<Arc<Line>>) -> bool {
    let now = Instant::now();
    let waiting = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Some((line.replaceable_since(now)?, index)));
    let Some((_, index)) = waiting.min() else {
        return false;
    };
    lines.swap_remove(index).lose_place();
    true
}

#[cfg(test)]
mod tests {
    use super::super::line::Phase;
    use super::*;

    fn admitted(pool: &Arc<Pool>) -> Place {
        pool.admit().expect("a place")
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let pool = Pool::new(2, false);
        let (first, second) = (admitted(&pool), admitted(&pool));
        for place in [&first, &second] {
            place.line.enter(Phase::Work);
        }
        assert!(pool.admit().is_none());
        drop(first);
        assert!(pool.admit().is_some());
    }

    #[test]
    fn the_longest_idle_one_goes_and_none_that_works() {
        let pool = Pool::new(3, false);
        let places = [admitted(&pool), admitted(&pool), admitted(&pool)];
        places[0].line.enter(Phase::Work);
        let new = admitted(&pool);
        let kept = |line: &Arc<Line>| pool.lines().iter().any(|kept| Arc::ptr_eq(kept, line));
        assert!(kept(&places[0].line), "it works");
        assert!(!kept(&places[1].line), "it was idle the longest");
        assert!(kept(&places[2].line) && kept(&new.line));
    }
}
