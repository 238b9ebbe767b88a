//! Where the edges of a relation begin, by row.

use polars_buffer::Buffer;

use crate::snapshot::tables::size::are_sources_counted;

/// The source of every edge of a table. Where rows lie by source and are many for the nodes there are, only where the
/// rows of each node begin is kept: 4 bytes per node instead of 4 per edge.
#[derive(Debug, Clone)]
pub struct Sources(Kept);

#[derive(Debug, Clone)]
enum Kept {
    Listed(Buffer<u32>),
    /// The rows of node `v` are `[v]..[v + 1]`.
    Counted(Buffer<u32>),
}

impl Sources {
    pub(super) fn listed(sources: Buffer<u32>) -> Self {
        Self(Kept::Listed(sources))
    }

    /// From where the rows of each node begin, and all end.
    pub(super) fn counted(offsets: Buffer<u32>) -> Self {
        Self(Kept::Counted(offsets))
    }

    /// Where the rows of each node begin, where that is what is kept.
    pub(super) fn offsets(&self) -> Option<&Buffer<u32>> {
        match &self.0 {
            Kept::Listed(_) => None,
            Kept::Counted(offsets) => Some(offsets),
        }
    }

    /// The source of each row, where that is what is kept.
    pub(super) fn list(&self) -> Option<&Buffer<u32>> {
        match &self.0 {
            Kept::Listed(sources) => Some(sources),
            Kept::Counted(_) => None,
        }
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Listed(sources) => sources.len(),
            Kept::Counted(offsets) => offsets.last().map_or(0, |&rows| rows as usize),
        }
    }

    /// Whether there is no edge.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The source of one edge. O(log nodes) at most.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn at(&self, row: usize) -> u32 {
        match &self.0 {
            Kept::Listed(sources) => sources[row],
            Kept::Counted(offsets) => {
                assert!(row < self.len(), "row {row} of {}", self.len());
                offsets.partition_point(|&first| first as usize <= row) as u32 - 1
            }
        }
    }

    /// The sources by row.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (listed, counted) = match &self.0 {
            Kept::Listed(sources) => (&sources[..], &[][..]),
            Kept::Counted(offsets) => (&[][..], &offsets[..]),
        };
        let runs = (0u32..).zip(counted.windows(2));
        let runs = runs.flat_map(|(node, at)| std::iter::repeat_n(node, (at[1] - at[0]) as usize));
        listed.iter().copied().chain(runs)
    }
}

impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Sources that come one after another.
#[derive(Debug)]
pub(super) struct Collected {
    /// Edges of each node, one place to the right, as long as sources rise.
    counts: Option<Vec<u32>>,
    last: u32,
    list: Vec<u32>,
}

impl Collected {
    /// About `rows` of them, each below `nodes`.
    pub fn new(nodes: usize, rows: usize) -> Self {
        let is_counted = are_sources_counted(nodes as u64, rows as u64);
        let counts = is_counted.then(|| vec![0; nodes + 1]);
        Self { counts, last: 0, list: Vec::with_capacity(if is_counted { 0 } else { rows }) }
    }

    pub fn extend(&mut self, sources: impl IntoIterator<Item = u32>) {
        for source in sources {
            if source < self.last
                && let Some(counts) = self.counts.take()
            {
                self.list = Sources::counted(summed(counts).into()).iter().collect();
            }
            self.last = source;
            match &mut self.counts {
                Some(counts) => counts[source as usize + 1] += 1,
                None => self.list.push(source),
            }
        }
    }

    pub fn finish(self) -> Sources {
        match self.counts {
            Some(counts) => Sources::counted(summed(counts).into()),
            None => Sources::listed(self.list.into()),
        }
    }
}

/// Turns counts, one place to the right, into beginnings.
pub(super) fn summed(mut counts: Vec<u32>) -> Vec<u32> {
    for v in 1..counts.len() {
        counts[v] += counts[v - 1];
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sources_come_back_by_row_whether_they_were_counted_or_listed(
            nodes in 1u32..6, mut list in proptest::collection::vec(0u32..6, 0..60), is_sorted: bool, hint in 0usize..60,
        ) {
            for source in &mut list {
                *source %= nodes;
            }
            if is_sorted {
                list.sort_unstable();
            }
            let mut collected = Collected::new(nodes as usize, hint);
            list.chunks(7).for_each(|batch| collected.extend(batch.iter().copied()));
            let sources = collected.finish();
            prop_assert_eq!(sources.iter().collect::<Vec<_>>(), list.clone());
            prop_assert_eq!((sources.len(), sources.is_empty()), (list.len(), list.is_empty()));
            prop_assert!(list.iter().enumerate().all(|(row, &source)| sources.at(row) == source));
            let is_counted = list.is_sorted() && hint >= 4 * (nodes as usize + 1);
            prop_assert_eq!(sources.offsets().is_some(), is_counted);
        }
    }
}
