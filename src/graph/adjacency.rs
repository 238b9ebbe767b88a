//! Counting sort of arcs by the node they leave or enter: parallel where it pays, the same for any number of threads.

use polars_buffer::Buffer;
use rayon::prelude::*;

/// One direction of a graph: the neighbours of node `v` lie at `offsets[v]..offsets[v + 1]`.
///
/// The arrays are shared, so that a clone costs nothing and they may lie in a file that is mapped into memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adjacency {
    pub offsets: Buffer<u32>,
    pub ends: Buffer<u32>,
    /// The edge behind each arc; empty: arc `i` is edge `i`.
    pub edges: Buffer<u32>,
}

impl Default for Adjacency {
    fn default() -> Self {
        Self { offsets: vec![0].into(), ends: Buffer::new(), edges: Buffer::new() }
    }
}

/// The arcs of a list of edges, and both ways to walk them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BothWays {
    pub out: Adjacency,
    pub into: Adjacency,
    /// The edge that each entry of the list became; `None`: entry `i` is edge `i`, for the list was sorted.
    pub edge_of: Option<Vec<u32>>,
}

impl BothWays {
    /// Sorts a directed list. Edges are numbered by source and, within one, by place in the list; arcs that enter a node
    /// keep the order of the list. O(nodes + edges) time; 12 bytes per edge and 8 per node, 4 per edge less where the
    /// list is sorted by source, for then `dst` is shared.
    pub fn directed(nodes: usize, src: &[u32], dst: &Buffer<u32>) -> Self {
        let (offsets, edge_of) = numbered(nodes, src);
        let ends = edge_of.as_ref().map_or_else(|| dst.clone(), |edge_of| placed(edge_of, dst).into());
        let arcs = Backward { src, dst, edge_of: edge_of.as_deref() };
        Self {
            into: gathered(nodes, &arcs),
            out: Adjacency { offsets: offsets.into(), ends, edges: Buffer::new() },
            edge_of,
        }
    }

    /// Sorts an undirected list: an arc each way, of a self-loop one. Edges are numbered as for [`BothWays::directed`],
    /// arcs of a node keep the order of the list. O(nodes + edges) time; 16 bytes per edge and 4 per node.
    pub fn undirected(nodes: usize, src: &[u32], dst: &[u32]) -> Self {
        let (_, edge_of) = numbered(nodes, src);
        let both = gathered(nodes, &Both { src, dst, edge_of: edge_of.as_deref() });
        Self { out: both.clone(), into: both, edge_of }
    }
}

/// Values of a list in the order of its edges.
pub(super) fn placed<T: Copy + Default>(edge_of: &[u32], values: &[T]) -> Vec<T> {
    let mut placed = vec![T::default(); values.len()];
    for (&edge, &value) in edge_of.iter().zip(values) {
        placed[edge as usize] = value;
    }
    placed
}

/// Where the edges of each source begin, and the edge each entry becomes where the list is not sorted by source.
fn numbered(nodes: usize, src: &[u32]) -> (Vec<u32>, Option<Vec<u32>>) {
    let mut offsets = vec![0u32; nodes + 1];
    let mut is_sorted = true;
    let mut before = 0;
    for &from in src {
        offsets[from as usize + 1] += 1;
        is_sorted &= before <= from;
        before = from;
    }
    summed(&mut offsets);
    if is_sorted {
        return (offsets, None);
    }
    let mut next = offsets.clone();
    let number = |&from: &u32| {
        let edge = next[from as usize];
        next[from as usize] += 1;
        edge
    };
    let edge_of = src.iter().map(number).collect();
    (offsets, Some(edge_of))
}

/// Turns counts, one place to the right, into beginnings.
fn summed(offsets: &mut [u32]) {
    for v in 1..offsets.len() {
        offsets[v] += offsets[v - 1];
    }
}

/// Arcs to sort.
trait Arcs: Sync {
    fn len(&self) -> usize;
    /// Hands every arc `(from, to, edge)` to `visit`, in the order of the list.
    fn each(&self, visit: impl FnMut(u32, u32, u32));
}

struct Backward<'a> {
    src: &'a [u32],
    dst: &'a [u32],
    edge_of: Option<&'a [u32]>,
}

impl Arcs for Backward<'_> {
    fn len(&self) -> usize {
        self.src.len()
    }

    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        let pairs = self.src.iter().zip(self.dst);
        match self.edge_of {
            Some(edge_of) => pairs.zip(edge_of).for_each(|((&s, &t), &edge)| visit(t, s, edge)),
            None => pairs.zip(0..).for_each(|((&s, &t), edge)| visit(t, s, edge)),
        }
    }
}

struct Both<'a> {
    src: &'a [u32],
    dst: &'a [u32],
    edge_of: Option<&'a [u32]>,
}

impl Arcs for Both<'_> {
    fn len(&self) -> usize {
        2 * self.src.len()
    }

    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        Backward { src: self.dst, dst: self.src, edge_of: self.edge_of }.each(|s, t, edge| {
            visit(s, t, edge);
            if s != t {
                visit(t, s, edge);
            }
        });
    }
}

/// Sorts arcs by where they leave from; those of one node keep their order.
///
/// Nodes are cut into as many ranges as there are threads. Each thread reads all arcs and places those of its range, which
/// lie together in the result: no two threads write to the same place, and the number of ranges does not show.
fn gathered(nodes: usize, arcs: &impl Arcs) -> Adjacency {
    /// Below this, threads cost more than they spare.
    const WORTH_THREADS: usize = 1 << 16;
    /// Each range reads the list anew.
    const MOST_RANGES: usize = 8;
    let ranges =
        if arcs.len() < WORTH_THREADS { 1 } else { rayon::current_num_threads().clamp(1, MOST_RANGES) };

    let mut offsets = vec![0u32; nodes + 1];
    let width = nodes.div_ceil(ranges).max(1);
    offsets[1..].par_chunks_mut(width).enumerate().for_each(|(range, counts)| {
        let first = (range * width) as u32;
        arcs.each(|from, _, _| {
            if let Some(count) = counts.get_mut(from.wrapping_sub(first) as usize) {
                *count += 1;
            }
        });
    });
    summed(&mut offsets);

    let count = offsets[nodes] as usize;
    let (mut ends, mut edges) = (vec![0u32; count], vec![0u32; count]);
    let mut tasks = Vec::with_capacity(ranges);
    let (mut ends_left, mut edges_left, mut first) = (&mut ends[..], &mut edges[..], 0);
    for range in 1..=ranges {
        // Ranges of about as many arcs each.
        let last = match range {
            last if last == ranges => nodes,
            _ => offsets.partition_point(|&at| (at as usize) < count / ranges * range).clamp(first, nodes),
        };
        let here = (offsets[last] - offsets[first]) as usize;
        let (ends, edges);
        (ends, ends_left) = std::mem::take(&mut ends_left).split_at_mut(here);
        (edges, edges_left) = std::mem::take(&mut edges_left).split_at_mut(here);
        tasks.push((first, last, ends, edges));
        first = last;
    }
    tasks.into_par_iter().for_each(|(first, last, ends, edges)| {
        let base = offsets[first];
        let mut next: Vec<u32> = offsets[first..last].iter().map(|at| at - base).collect();
        arcs.each(|from, to, edge| {
            if let Some(at) = next.get_mut(from.wrapping_sub(first as u32) as usize) {
                ends[*at as usize] = to;
                edges[*at as usize] = edge;
                *at += 1;
            }
        });
    });
    Adjacency { offsets: offsets.into(), ends: ends.into(), edges: edges.into() }
}
