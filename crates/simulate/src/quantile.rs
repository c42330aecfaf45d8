//! Quantiles by nearest rank: values that occurred.

/// The smallest value that so large a share does not exceed; of sorted values. `None` when there are none.
pub fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}
