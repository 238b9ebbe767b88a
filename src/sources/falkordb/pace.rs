//! How wide the next query may be, so that every one is short.
//!
//! While a query runs, one write by anybody makes every client of the server wait until it ends. So the time of our
//! queries is the longest wait we inflict.

/// Server time a reading query aims at, in milliseconds.
pub const READ_MS: f64 = 15.0;

/// Server time a writing query aims at, in milliseconds.
pub const WRITE_MS: f64 = 5.0;

/// Number of ids or rows per query, following the time the server takes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    width: u64,
    widest: u64,
    target_ms: f64,
}

impl Pace {
    /// Begins with `first` and aims at `target_ms` per query, never wider than `widest`.
    pub fn new(target_ms: f64, first: u64, widest: u64) -> Self {
        Self { width: first.clamp(1, widest), widest, target_ms }
    }

    /// The width of the next query.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Learns that a query of `width` took `ms`: at most doubles that, because a hub may lie ahead; shrinks at once.
    pub fn took(&mut self, width: u64, ms: f64) {
        let ratio = (self.target_ms / ms.max(0.01)).min(2.0);
        self.width = ((width as f64 * ratio) as u64).clamp(1, self.widest);
    }

    /// Halves the width, because that many are more than a query.
    pub fn narrow(&mut self) {
        self.width = (self.width / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_query_is_followed_by_a_narrower_one_down_to_a_single_id() {
        let after = |first, ms| {
            let mut pace = Pace::new(15.0, first, 100_000);
            pace.took(first, ms);
            pace.width()
        };
        assert_eq!(after(1_000, 0.0), 2_000);
        assert_eq!(after(1_000, 30.0), 500);
        assert_eq!(after(1, 400.0), 1);
        assert_eq!(after(100_000, 1.0), 100_000);
    }
}
