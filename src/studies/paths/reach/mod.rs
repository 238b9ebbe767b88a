//! How far everybody is from one node, as tables and facts.

use polars::prelude::Column;

use super::bfs::UNREACHED;
use crate::graph::{BusinessGraph, NodeId};
use crate::snapshot::tables::UID;
use crate::studies::StudyError;
use crate::studies::findings::{Declared, Fact, ScoreColumn, Table};
use crate::studies::projection::uids;

pub(super) const DISTANCES: Declared = Declared {
    name: "distances",
    title: "Distances",
    row: "a node that can be reached from --source, itself included, in the order of the snapshot",
    columns: &[
        ScoreColumn { name: "uid", unit: "", meaning: "the node" },
        ScoreColumn { name: "hops", unit: "hops", meaning: "fewest edges on a way there" },
        ScoreColumn {
            name: "distance",
            unit: "cost",
            meaning: "least cost of a way there, which may have more edges",
        },
    ],
};

pub(super) const HOPS_DISTRIBUTION: Declared = Declared {
    name: "hops_distribution",
    title: "Nodes by hops",
    row: "a number of hops from --source, rising",
    columns: &[
        ScoreColumn { name: "hops", unit: "hops", meaning: "fewest edges on a way there" },
        ScoreColumn { name: "nodes", unit: "nodes", meaning: "nodes just so far away" },
        ScoreColumn {
            name: "within",
            unit: "nodes",
            meaning: "nodes no farther away than that, the source among them",
        },
    ],
};

/// The tables and facts of hops and least costs by node, in a part of the graph of `nodes` nodes.
pub(super) fn told(
    graph: &BusinessGraph,
    nodes: usize,
    hops: &[u32],
    costs: &[f64],
) -> Result<([Table; 2], Vec<Fact>), StudyError> {
    let reached: Vec<usize> = (0..hops.len()).filter(|&v| hops[v] != UNREACHED).collect();
    let mut by_hops: Vec<i64> = Vec::new();
    for &v in &reached {
        let at = hops[v] as usize;
        by_hops.resize(by_hops.len().max(at + 1), 0);
        by_hops[at] += 1;
    }
    let within: Vec<i64> = by_hops
        .iter()
        .scan(0, |sum, &nodes| {
            *sum += nodes;
            Some(*sum)
        })
        .collect();
    let others = reached.len().max(2) - 1;
    let mean = |sum: f64| sum / others as f64;
    let all_hops: i64 = by_hops.iter().zip(0..).map(|(&nodes, hops)| nodes * hops).sum();
    let farthest = reached.iter().map(|&v| costs[v]).fold(0.0, f64::max);
    let near = |hops: usize| within[hops.min(within.len() - 1)] as u64;
    let count = |name, label, value| Fact::count(name, label, value, "nodes");
    let facts = vec![
        count("distances_reached", "nodes reached, the source among them", reached.len() as u64),
        count("distances_unreached", "nodes that cannot be reached", (nodes - reached.len()) as u64),
        count("distances_within_1", "nodes within 1 hop", near(1)),
        count("distances_within_2", "nodes within 2 hops", near(2)),
        count("distances_within_3", "nodes within 3 hops", near(3)),
        Fact::number(
            "distances_mean_hops",
            "hops to a node reached, on average",
            mean(all_hops as f64),
            "hops",
        ),
        Fact::count("distances_most_hops", "hops to the farthest", by_hops.len() as u64 - 1, "hops"),
        Fact::number("distances_most_cost", "cost to the costliest", farthest, "1"),
    ];
    let of_nodes = vec![
        uids(UID, graph, reached.iter().map(|&v| NodeId(v as u32))),
        Column::new("hops".into(), reached.iter().map(|&v| i64::from(hops[v])).collect::<Vec<_>>()),
        Column::new("distance".into(), reached.iter().map(|&v| costs[v]).collect::<Vec<_>>()),
    ];
    let of_hops = vec![
        Column::new("hops".into(), (0..by_hops.len() as i64).collect::<Vec<_>>()),
        Column::new("nodes".into(), by_hops),
        Column::new("within".into(), within),
    ];
    let table = |declared: &Declared, columns| Table::new(declared.name, declared.title, columns);
    Ok(([table(&DISTANCES, of_nodes)?, table(&HOPS_DISTRIBUTION, of_hops)?], facts))
}
