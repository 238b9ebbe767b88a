//! Tables of what holds a graph together.

use polars::prelude::Column;

use super::bridges::bridges;
use crate::context::Context;
use crate::studies::StudyError;
use crate::studies::findings::{Declared, Fact, Findings, ScoreColumn, Table};
use crate::studies::projection::{Part, uids};

/// Edges without which the graph falls apart.
pub(super) const BRIDGES: Declared = Declared {
    name: "bridges",
    title: "Edges without which the graph falls apart",
    row: "an edge that alone joins two parts; those that cut off most first",
    columns: &[
        ScoreColumn { name: "src", unit: "uid", meaning: "where the edge leads from" },
        ScoreColumn { name: "dst", unit: "uid", meaning: "where it leads to" },
        ScoreColumn { name: "cut_off", unit: "nodes", meaning: "nodes of the smaller part" },
    ],
};

/// Nodes without which the graph falls apart.
pub(super) const ARTICULATION_POINTS: Declared = Declared {
    name: "articulation_points",
    title: "Nodes without which the graph falls apart",
    row: "a node that alone joins two parts or more; those that cut off most first",
    columns: &[
        ScoreColumn { name: "uid", unit: "uid", meaning: "the node" },
        ScoreColumn { name: "label", unit: "label", meaning: "its label" },
        ScoreColumn {
            name: "parts",
            unit: "parts",
            meaning: "parts into which its component falls without it",
        },
        ScoreColumn { name: "cut_off", unit: "nodes", meaning: "nodes of all these but the largest" },
    ],
};

/// Adds both tables and how long they are.
pub(super) fn cuts(part: &Part, cx: &Context, findings: &mut Findings) -> Result<(), StudyError> {
    let found = bridges(&part.csr, cx)?;
    let (edges, points) = (&found.bridges, &found.articulation_points);
    let node = |v: u32| part.nodes[v as usize];
    findings.facts.extend([
        Fact::count("bridges", "edges that alone join two parts", edges.len() as u64, "bridges"),
        Fact::count("articulation_points", "nodes that alone join parts", points.len() as u64, "nodes"),
    ]);
    let counts = |name: &str, values: Vec<i64>| Column::new(name.into(), values);
    let labels: Vec<&str> = points.iter().map(|point| part.graph.label(node(point.node))).collect();
    findings.tables.extend([
        Table::new(
            BRIDGES.name,
            BRIDGES.title,
            vec![
                uids("src", part.graph, edges.iter().map(|bridge| node(bridge.src))),
                uids("dst", part.graph, edges.iter().map(|bridge| node(bridge.dst))),
                counts("cut_off", edges.iter().map(|bridge| i64::from(bridge.cut_off)).collect()),
            ],
        )?,
        Table::new(
            ARTICULATION_POINTS.name,
            ARTICULATION_POINTS.title,
            vec![
                uids("uid", part.graph, points.iter().map(|point| node(point.node))),
                Column::new("label".into(), labels),
                counts("parts", points.iter().map(|point| i64::from(point.parts)).collect()),
                counts("cut_off", points.iter().map(|point| i64::from(point.cut_off)).collect()),
            ],
        )?,
    ]);
    Ok(())
}
