//! Counting sort of arcs by the node they leave or enter: parallel where it pays, the same for any number of threads.

use std::sync::{Arc, OnceLock};

use polars_buffer::Buffer;
use rayon::prelude::*;

use super::Sources;
use super::sources::summed;

/// One direction of a graph: the neighbours of node `v` lie at `offsets[v]..offsets[v + 1]`.
///
/// The arrays are shared, so that a clone costs nothing and they may lie in a file that is mapped into memory.
#[derive(Debug, Clone)]
pub(super) struct Adjacency {
    pub offsets: Buffer<u32>,
    pub ends: Buffer<u32>,
    pub edges: Numbers,
}

/// The edge behind each arc.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    /// Arc `i` is edge `i`.
    Same,
    Listed(Buffer<u32>),
    /// Arcs that enter a node lie in the order of their edges: made when somebody asks, for most never do.
    Later(Arc<OnceLock<Buffer<u32>>>),
}

impl Numbers {
    /// Listed, or the same where there is no list.
    pub fn of(edges: Vec<u32>) -> Self {
        if edges.is_empty() { Self::Same } else { Self::Listed(edges.into()) }
    }

    /// Bytes held by now.
    pub fn bytes(&self) -> usize {
        4 * match self {
            Self::Same => 0,
            Self::Listed(edges) => edges.len(),
            Self::Later(edges) => edges.get().map_or(0, Buffer::len),
        }
    }
}

impl Default for Adjacency {
    fn default() -> Self {
        Self { offsets: vec![0].into(), ends: Buffer::new(), edges: Numbers::Same }
    }
}

impl Adjacency {
    /// The edge behind each arc; `None`: arc `i` is edge `i`. `out` is the other direction.
    pub fn numbers(&self, out: &Self) -> Option<&[u32]> {
        match &self.edges {
            Numbers::Same => None,
            Numbers::Listed(edges) => Some(edges),
            // On this thread alone: whoever waits for it may be a thread that would have to help.
            Numbers::Later(edges) => Some(edges.get_or_init(|| {
                let mut next = self.offsets[..].to_vec();
                let mut edges = vec![0; self.ends.len()];
                for (&to, edge) in out.ends.iter().zip(0..) {
                    let at = &mut next[to as usize];
                    edges[*at as usize] = edge;
                    *at += 1;
                }
                edges.into()
            })),
        }
    }
}

/// The arcs of a list of edges, and both ways to walk them.
#[derive(Debug, Clone, Default)]
pub(super) struct BothWays {
    pub out: Adjacency,
    pub into: Adjacency,
    /// The edge that each entry of the list became; `None`: entry `i` is edge `i`, for the list was sorted.
    pub edge_of: Option<Vec<u32>>,
}

impl BothWays {
    /// Sorts a directed list. Edges are numbered by source and, within one, by place in the list; arcs that enter a node
    /// keep the order of the list. O(nodes + edges) time; 12 bytes per edge and 8 per node. Where the list is sorted by
    /// source 4 per edge, for then `dst` is shared and what edge an arc is can be made later.
    pub fn directed(nodes: usize, src: &Sources, dst: &Buffer<u32>) -> Self {
        let (offsets, edge_of) = numbered(nodes, src);
        let ends = edge_of.as_ref().map_or_else(|| dst.clone(), |edge_of| placed(edge_of, dst).into());
        let arcs = Backward { src, dst, edge_of: edge_of.as_deref() };
        let into = counted(nodes, &arcs);
        let sources = sorted(&into, &arcs, |from, _| from);
        let edges = match &edge_of {
            Some(_) => Numbers::of(sorted(&into, &arcs, |_, edge| edge)),
            None => Numbers::Later(Arc::default()),
        };
        Self {
            into: Adjacency { offsets: into.into(), ends: sources.into(), edges },
            out: Adjacency { offsets, ends, edges: Numbers::Same },
            edge_of,
        }
    }

    /// The same of pairs, whose order shows in the order of parallel edges alone; which edge each became is told where
    /// somebody asks. O(nodes + edges) time; 8 bytes per edge and 8 per node.
    pub fn pairs(nodes: usize, pairs: impl AsRef<[(u32, u32)]>, with_edges: bool) -> Self {
        let arcs = Pairs(pairs.as_ref());
        let count = arcs.len();
        assert!(u32::try_from(count * 2).is_ok(), "at most 2^31 edges");
        let offsets = counted(nodes, &arcs);
        let dst = sorted(&offsets, &arcs, |to, _| to).into();
        let edge_of = with_edges.then(|| edges_of(arcs.0.iter().map(|pair| pair.0), offsets.clone()));
        // Pairs that are given away make room for the other direction.
        drop(pairs);
        let ways = Self::directed(nodes, &Sources::counted(offsets.into()), &dst);
        let is_whole = [&ways.out, &ways.into].map(|way| way.offsets[nodes] as usize == count);
        assert!(is_whole == [true; 2], "every end is below the number of nodes");
        Self { edge_of, ..ways }
    }

    /// Sorts an undirected list: an arc each way, of a self-loop one. Edges are numbered as for [`BothWays::directed`],
    /// arcs of a node keep the order of the list. O(nodes + edges) time; 16 bytes per edge and 4 per node.
    pub fn undirected(nodes: usize, src: &Sources, dst: &Buffer<u32>) -> Self {
        let (_, edge_of) = numbered(nodes, src);
        let arcs = Both(Backward { src, dst, edge_of: edge_of.as_deref() });
        let offsets = counted(nodes, &arcs);
        let ends = sorted(&offsets, &arcs, |to, _| to).into();
        let edges = Numbers::of(sorted(&offsets, &arcs, |_, edge| edge));
        let both = Adjacency { offsets: offsets.into(), ends, edges };
        Self { out: both.clone(), into: both, edge_of }
    }

    /// Makes what edge each arc is now, on all threads.
    pub fn number(&self) {
        if let Numbers::Later(edges) = &self.into.edges
            && edges.get().is_none()
        {
            let src = Sources::counted(self.out.offsets.clone());
            let arcs = Backward { src: &src, dst: &self.out.ends, edge_of: None };
            let made = sorted(&self.into.offsets, &arcs, |_, edge| edge);
            // Made by somebody else meanwhile, it is the same.
            let _ = edges.set(made.into());
        }
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
fn numbered(nodes: usize, src: &Sources) -> (Buffer<u32>, Option<Vec<u32>>) {
    let src = match (src.offsets(), src.list()) {
        (Some(offsets), _) => return (offsets.clone(), None),
        (None, list) => list.expect("what is not counted is listed"),
    };
    let mut counts = vec![0u32; nodes + 1];
    let mut is_sorted = true;
    let mut before = 0;
    for &from in src.iter() {
        counts[from as usize + 1] += 1;
        is_sorted &= before <= from;
        before = from;
    }
    let offsets = summed(counts);
    let edge_of = (!is_sorted).then(|| edges_of(src.iter().copied(), offsets.clone()));
    (offsets.into(), edge_of)
}

/// The edge that each entry of a list becomes, given where the edges of each source begin.
fn edges_of(sources: impl Iterator<Item = u32>, mut next: Vec<u32>) -> Vec<u32> {
    let number = |from: u32| {
        let edge = next[from as usize];
        next[from as usize] += 1;
        edge
    };
    sources.map(number).collect()
}

/// Arcs to sort.
trait Arcs: Sync {
    fn len(&self) -> usize;
    /// Hands every arc `(from, to, edge)` to `visit`, in the order of the list.
    fn each(&self, visit: impl FnMut(u32, u32, u32));
}

struct Backward<'a> {
    src: &'a Sources,
    dst: &'a Buffer<u32>,
    edge_of: Option<&'a [u32]>,
}

impl Arcs for Backward<'_> {
    fn len(&self) -> usize {
        self.dst.len()
    }

    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        match (self.src.list(), self.src.offsets(), self.edge_of) {
            (Some(src), _, Some(edge_of)) => {
                let pairs = src.iter().zip(self.dst.iter());
                pairs.zip(edge_of).for_each(|((&s, &t), &edge)| visit(t, s, edge));
            }
            (Some(src), _, None) => {
                let pairs = src.iter().zip(self.dst.iter());
                pairs.zip(0..).for_each(|((&s, &t), edge)| visit(t, s, edge));
            }
            (None, offsets, _) => {
                for (at, s) in offsets.into_iter().flat_map(|offsets| offsets.windows(2)).zip(0..) {
                    let run = &self.dst[at[0] as usize..at[1] as usize];
                    run.iter().zip(at[0]..).for_each(|(&t, edge)| visit(t, s, edge));
                }
            }
        }
    }
}

struct Pairs<'a>(&'a [(u32, u32)]);

impl Arcs for Pairs<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        self.0.iter().zip(0..).for_each(|(&(src, dst), edge)| visit(src, dst, edge));
    }
}

struct Both<'a>(Backward<'a>);

impl Arcs for Both<'_> {
    fn len(&self) -> usize {
        2 * self.0.len()
    }

    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        self.0.each(|t, s, edge| {
            visit(s, t, edge);
            if s != t {
                visit(t, s, edge);
            }
        });
    }
}

/// Ranges of nodes, each for one thread, that arcs are sorted in.
///
/// Each thread reads all arcs and places those of its range, which lie together in the result: no two threads write to the
/// same place, and the number of ranges does not show.
fn ranges(arcs: &impl Arcs) -> usize {
    /// Below this, threads cost more than they spare.
    const WORTH_THREADS: usize = 1 << 16;
    /// Each range reads the list anew.
    const MOST_RANGES: usize = 8;
    if arcs.len() < WORTH_THREADS { 1 } else { rayon::current_num_threads().clamp(1, MOST_RANGES) }
}

/// Where the arcs that leave each node begin, and all end, once they are sorted.
fn counted(nodes: usize, arcs: &impl Arcs) -> Vec<u32> {
    let mut counts = vec![0u32; nodes + 1];
    let width = nodes.div_ceil(ranges(arcs)).max(1);
    counts[1..].par_chunks_mut(width).enumerate().for_each(|(range, counts)| {
        let first = (range * width) as u32;
        arcs.each(|from, _, _| {
            if let Some(count) = counts.get_mut(from.wrapping_sub(first) as usize) {
                *count += 1;
            }
        });
    });
    summed(counts)
}

/// A value of every arc, given where it leads and its edge, sorted by where the arcs leave from; those of one node keep
/// their order.
fn sorted(offsets: &[u32], arcs: &impl Arcs, value: impl Fn(u32, u32) -> u32 + Sync) -> Vec<u32> {
    let (nodes, ranges) = (offsets.len() - 1, ranges(arcs));
    let count = offsets[nodes] as usize;
    let mut values = vec![0u32; count];
    let mut tasks = Vec::with_capacity(ranges);
    let (mut left, mut first) = (&mut values[..], 0);
    for range in 1..=ranges {
        // Ranges of about as many arcs each.
        let last = match range {
            last if last == ranges => nodes,
            _ => offsets.partition_point(|&at| (at as usize) < count / ranges * range).clamp(first, nodes),
        };
        let here;
        (here, left) = std::mem::take(&mut left).split_at_mut((offsets[last] - offsets[first]) as usize);
        tasks.push((first, last, here));
        first = last;
    }
    tasks.into_par_iter().for_each(|(first, last, values)| {
        let base = offsets[first];
        let mut next: Vec<u32> = offsets[first..last].iter().map(|at| at - base).collect();
        arcs.each(|from, to, edge| {
            if let Some(at) = next.get_mut(from.wrapping_sub(first as u32) as usize) {
                values[*at as usize] = value(to, edge);
                *at += 1;
            }
        });
    });
    values
}
