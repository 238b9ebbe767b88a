//! Graphs that several benches share.

/// Edges spread by a multiplicative hash, many of them to few nodes.
pub fn skewed(nodes: u32, count: u32) -> Vec<(u32, u32)> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 7;
    (0..count)
        .map(|i| (hash(i) % nodes, hash(i ^ 0x5bd1_e995) % nodes % (1 + hash(i + count) % nodes)))
        .collect()
}
