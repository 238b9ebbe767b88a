//! What spreads, how far, and who starts it.
//!
//! A share is a person's (or unidentified device's) first SHARED edge to a content; repeats by the same sharer are one
//! share. Parents come from `parent`, the message id of the share it answers, else from FOLLOWS.

pub mod cascade_forest;
pub mod structural_virality;

use std::cmp::Reverse;
use std::collections::HashMap;

use polars::prelude::{Column, StringChunked};
use serde::{Deserialize, Serialize};

use super::findings::{Chart, Fact, Findings, Marks, ScoreColumn, Table, counted, grouped};
use super::projection::{Values, moments, scores, uids};
use super::{Family, Study, StudyError};
use crate::context::Context;
use crate::graph::{BusinessGraph, Csr, EdgeTable, NodeId, Projection, Weight};
use crate::ontology::Relation;
use crate::snapshot::tables::size::Sizes;
use cascade_forest::{Forest, Named, Origin, Share, cascade_forest};
use structural_virality::{ROOT, Shape, Shapes, shapes};

const CASCADES: ScoreColumn = ScoreColumn {
    name: "virality_cascades",
    unit: "cascades",
    meaning: "shares of this sharer that no earlier share led to: cascades started, those of one share included",
};
const R: ScoreColumn = ScoreColumn {
    name: "virality_r",
    unit: "shares per share",
    meaning: "shares that each share of this sharer led to directly, on average",
};

/// What spreads: what is asked of the graph.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// How parents of shares are found.
    #[command(flatten)]
    #[serde(flatten)]
    pub forest: cascade_forest::Params,
}

/// The shares of a graph.
#[derive(Default)]
struct Shares {
    all: Vec<Share>,
    /// Shares by the same sharer of the same content again.
    repeats: u64,
    undated: u64,
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "virality",
        question: "what spreads, how far, and who starts it",
        scores: &[CASCADES, R],
        tables: &[
            ("cascades", "a share that none led to, with all that it led to, largest first"),
            ("generations", "shares so many steps from their root, and how many they led to"),
        ],
    };

    fn memory(&self, sizes: &Sizes) -> u64 {
        /// A share as read, its place in the forest and its tree, with what they are sorted by and named.
        const SHARE: u64 = 256;
        let follows = 12 * sizes.edges_of(Relation::Follows.name()) + 8 * sizes.node_count();
        follows + SHARE * sizes.edges_of(Relation::Shared.name())
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        if !(self.forest.window >= 0.0 && self.forest.window.is_finite()) {
            return Err(StudyError::Unfit(format!("a window of {} days is none", self.forest.window)));
        }
        let mut findings = Findings::new(Self::FAMILY.name, super::to_json(self));
        let shares = match graph.edges(Relation::Shared.name()) {
            Some(table) => read(graph, table)?,
            None => Shares::default(),
        };
        let follows = match graph.edges(Relation::Follows.name()) {
            Some(_) => {
                let by_follow =
                    Projection { weight: Weight::One, ..Projection::of([Relation::Follows.name()]) };
                // A snapshot remembered as undirected has follows both ways, which is what it says.
                graph.project(&by_follow)?.csr
            }
            None => Csr::directed(graph.node_count(), &[], vec![]),
        };
        let forest = cascade_forest(&shares.all, &follows, &self.forest, cx)?;
        let shapes = shapes(&forest.parent);

        let cascades = Cascades::of(&shares.all, &shapes);
        findings.tables.push(cascades.table(graph, &shares.all)?);
        findings.tables.push(generations(&shapes)?);
        findings.facts = self.facts(graph, &shares, &forest, &cascades);
        findings.caveats.push(
            "cascades hold only recorded shares; a parent inferred from follows is likely, not seen"
                .to_owned(),
        );
        if shares.repeats > 0 {
            findings.caveats.push(format!(
                "{} by the same sharer of the same content, counted once",
                counted(shares.repeats, "repeated share", "repeated shares")
            ));
        }
        if shares.undated > 0 {
            findings
                .caveats
                .push(format!("left out: {} without a time", counted(shares.undated, "share", "shares")));
        }
        findings.charts.extend(sizes(&cascades));
        findings.charts.extend(shape_by_size(&cascades));
        findings.charts.extend(largest(graph, &shares.all, &forest, &shapes, &cascades));
        findings.scores = Some(sharer_scores(graph, &shares.all, &forest)?);
        Ok(findings)
    }
}

/// Reads the first share of every sharer and content, and resolves the parents they name.
fn read(graph: &BusinessGraph, table: &EdgeTable) -> Result<Shares, StudyError> {
    let relation = Relation::Shared.name();
    let text = |name: &str| -> Result<Option<&StringChunked>, StudyError> {
        let column = table.frame.column(name).ok();
        column.map(|c| c.str().map_err(StudyError::table(relation))).transpose()
    };
    let (mids, parents) = (text("mid")?, text("parent")?);
    let times = table.timestamps().unwrap_or_else(|| vec![None; table.len()]);
    let mut shares = Shares::default();

    let mut rows: Vec<(u32, u32, i64, usize)> = Vec::with_capacity(table.len());
    for ((row, at), sharer) in times.iter().enumerate().zip(table.src.iter()) {
        match at {
            Some(at) => rows.push((table.dst[row], sharer, *at, row)),
            None => shares.undated += 1,
        }
    }
    rows.sort_unstable();
    let order = uid_ranks(graph, table.src.iter().collect());
    let mut share_of_row = vec![ROOT; table.len()];
    let mut first_row = Vec::new();
    for of_one in rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (content, sharer, at, row) = of_one[0];
        shares.repeats += of_one.len() as u64 - 1;
        for &(.., row) in of_one {
            share_of_row[row] = shares.all.len() as u32;
        }
        first_row.push(row);
        shares.all.push(Share { content, sharer, at, order: order[&sharer], named: Named::Nothing });
    }

    let Some(parents) = parents else { return Ok(shares) };
    let row_of: HashMap<&str, usize> = mids
        .into_iter()
        .flat_map(|mids| mids.iter().enumerate())
        .filter_map(|(row, mid)| Some((mid?, row)))
        .collect();
    for (share, row) in shares.all.iter_mut().zip(first_row) {
        let Some(parent) = parents.get(row).filter(|parent| !parent.is_empty()) else { continue };
        share.named = match row_of.get(parent).map(|&row| share_of_row[row]) {
            Some(parent) if parent != ROOT => Named::Parent(parent),
            _ => Named::Missing,
        };
    }
    Ok(shares)
}

/// The rank of every node's uid among them.
fn uid_ranks(graph: &BusinessGraph, mut distinct: Vec<u32>) -> HashMap<u32, u32> {
    distinct.sort_unstable();
    distinct.dedup();
    distinct.sort_unstable_by_key(|&v| graph.uid(NodeId(v)));
    distinct.into_iter().zip(0..).collect()
}

/// Trees of shares, largest first.
struct Cascades {
    /// Shape, start and seconds to half of its shares.
    all: Vec<(Shape, i64, Option<f64>)>,
    /// Newest share by tree, in the order of `all`.
    newest: Vec<i64>,
}

impl Cascades {
    fn of(shares: &[Share], shapes: &Shapes) -> Self {
        let mut times: Vec<(u32, i64)> = shapes.tree.iter().zip(shares).map(|(&t, s)| (t, s.at)).collect();
        times.sort_unstable();
        let mut order: Vec<(usize, &[(u32, i64)])> = times.chunk_by(|a, b| a.0 == b.0).enumerate().collect();
        let shape = |tree: usize| &shapes.trees[tree];
        order.sort_by_key(|&(tree, times)| (Reverse(shape(tree).size), times[0].1, tree));
        let one = |&(tree, times): &(usize, &[(u32, i64)])| {
            let started = times[0].1;
            let half = times[times.len().div_ceil(2) - 1].1;
            let half_life = (times.len() > 1).then(|| (half - started) as f64 / 1e6);
            (*shape(tree), started, half_life)
        };
        Self {
            all: order.iter().map(one).collect(),
            newest: order.iter().map(|(_, times)| times[times.len() - 1].1).collect(),
        }
    }

    fn table(&self, graph: &BusinessGraph, shares: &[Share]) -> Result<Table, StudyError> {
        let root = |shape: &Shape| &shares[shape.root as usize];
        let count = |name: &str, pick: fn(&Shape) -> u32| {
            Column::new(name.into(), self.all.iter().map(|(s, ..)| i64::from(pick(s))).collect::<Vec<_>>())
        };
        let virality: Vec<f64> = self.all.iter().map(|(s, ..)| s.structural_virality).collect();
        let half_lives: Vec<Option<f64>> = self.all.iter().map(|&(_, _, half)| half).collect();
        Table::new(
            "cascades",
            "Cascades, largest first",
            vec![
                uids("root", graph, self.all.iter().map(|(s, ..)| NodeId(root(s).sharer))),
                uids("content", graph, self.all.iter().map(|(s, ..)| NodeId(root(s).content))),
                count("size", |s| s.size),
                count("depth", |s| s.depth),
                count("breadth", |s| s.breadth),
                Column::new("structural_virality".into(), virality),
                moments("started", self.all.iter().map(|&(_, started, _)| Some(started)).collect()),
                Column::new("half_life_s".into(), half_lives),
            ],
        )
    }
}

impl Params {
    fn facts(
        &self,
        graph: &BusinessGraph,
        shares: &Shares,
        forest: &Forest,
        cascades: &Cascades,
    ) -> Vec<Fact> {
        let total = shares.all.len() as u64;
        let of = |origin: Origin| forest.origin.iter().filter(|&&o| o == origin).count() as u64;
        let (explicit, inferred, orphan) = (of(Origin::Explicit), of(Origin::Inferred), of(Origin::Orphan));
        let window = (self.forest.window * 86_400e6) as i64;
        let growing = graph.as_of().map_or(0, |now| {
            cascades.newest.iter().filter(|&&newest| now.saturating_sub(newest) <= window).count()
        });
        let largest = cascades.all.first().map_or(0, |(shape, ..)| u64::from(shape.size));
        let mut facts = vec![
            Fact::count("shares", "shares, repeats aside", total, "shares"),
            Fact::count(
                "cascades",
                "cascades, those of one share included",
                cascades.all.len() as u64,
                "cascades",
            ),
            Fact::count("cascade_largest", "shares in the largest cascade", largest, "shares"),
            Fact::count(
                "cascades_growing",
                "cascades with a share within the window before the newest touch",
                growing as u64,
                "cascades",
            ),
        ];
        if total > 0 {
            let led = (explicit + inferred) as f64 / total as f64;
            facts.push(Fact::number(
                "virality_r_pooled",
                "shares each share led to (pooled R)",
                led,
                "shares per share",
            ));
        }
        let parents = explicit + inferred + orphan;
        if parents > 0 {
            let share = |n: u64| n as f64 / parents as f64;
            facts.extend([
                Fact::number(
                    "parents_explicit",
                    "of the parents, named by the share",
                    share(explicit),
                    "share",
                ),
                Fact::number(
                    "parents_inferred",
                    "of the parents, inferred from follows",
                    share(inferred),
                    "share",
                ),
                Fact::number(
                    "parents_orphan",
                    "of the parents, named but not among the data",
                    share(orphan),
                    "share",
                ),
            ]);
        }
        facts
    }
}

fn generations(shapes: &Shapes) -> Result<Table, StudyError> {
    let counts = &shapes.generations;
    let next = |g: usize| counts.get(g + 1).copied().unwrap_or(0);
    let rows = 0..counts.len();
    Table::new(
        "generations",
        "Shares by steps from the root",
        vec![
            Column::new("generation".into(), rows.clone().map(|g| g as i64).collect::<Vec<_>>()),
            Column::new("shares".into(), counts.iter().map(|&n| n as i64).collect::<Vec<_>>()),
            Column::new("next".into(), rows.clone().map(|g| next(g) as i64).collect::<Vec<_>>()),
            Column::new("r".into(), rows.map(|g| next(g) as f64 / counts[g] as f64).collect::<Vec<_>>()),
        ],
    )
}

fn sharer_scores(
    graph: &BusinessGraph,
    shares: &[Share],
    forest: &Forest,
) -> Result<super::findings::Scores, StudyError> {
    /// Of one sharer: shares, shares they led to, cascades.
    #[derive(Clone, Copy, Default)]
    struct Tally(u64, u64, u64);
    let mut by_sharer = vec![Tally::default(); graph.node_count()];
    for (share, &parent) in shares.iter().zip(&forest.parent) {
        let sharer = &mut by_sharer[share.sharer as usize];
        sharer.0 += 1;
        sharer.2 += u64::from(parent == ROOT);
        if parent != ROOT {
            by_sharer[shares[parent as usize].sharer as usize].1 += 1;
        }
    }
    let sharers: Vec<NodeId> =
        (0..graph.node_count() as u32).map(NodeId).filter(|v| by_sharer[v.index()].0 > 0).collect();
    let tallies = || sharers.iter().map(|v| by_sharer[v.index()]);
    let cascades = tallies().map(|Tally(.., cascades)| cascades as i64).collect();
    let r = tallies().map(|Tally(shares, led, _)| led as f64 / shares as f64).collect();
    scores(graph, &sharers, vec![(&CASCADES, Values::Counts(cascades)), (&R, Values::Numbers(r))])
}

fn sizes(cascades: &Cascades) -> Option<Chart> {
    let total = cascades.all.len() as f64;
    let largest = cascades.all.first()?.0.size;
    if largest == cascades.all.last()?.0.size {
        // Cascades of one size have no distribution to draw.
        return None;
    }
    // Largest first: the first of a run of equal sizes has all larger ones before it.
    let runs = cascades.all.chunk_by(|a, b| a.0.size == b.0.size);
    let mut seen = 0;
    let mut steps: Vec<(f64, f64)> = runs
        .map(|run| {
            seen += run.len();
            (f64::from(run[0].0.size), f64::from(seen as u32) / total)
        })
        .collect();
    steps.reverse();
    let alone = cascades.all.iter().filter(|(shape, ..)| shape.size == 1).count() as f64 / total;
    let caption = format!(
        "{:.0} % of {} cascades end with their first share; the largest reached {}. Most sharing comes from a few \
         cascades, so judge content by its chance of a large one, not by the mean.",
        alone * 100.0,
        grouped(cascades.all.len() as u64),
        counted(u64::from(largest), "share", "shares"),
    );
    Some(Chart {
        name: "cascade_sizes",
        title: "How large cascades grow".into(),
        caption,
        axes: ("shares in the cascade, at least".into(), "share of cascades".into()),
        marks: Marks::Ccdf { steps },
    })
}

fn shape_by_size(cascades: &Cascades) -> Option<Chart> {
    let several = || cascades.all.iter().map(|(shape, ..)| shape).filter(|shape| shape.size > 1);
    let mut points: Vec<(f64, f64)> = several().map(|s| (f64::from(s.size), s.structural_virality)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    let largest = several().next()?;
    if points.len() < 2 {
        return None;
    }
    let way = if largest.structural_virality > 3.0 {
        "from person to person"
    } else {
        "mostly from a single source"
    };
    let caption = format!(
        "The largest cascade ({}, {} deep) has structural virality {:.1}: it spread {way}. Near 2 is a \
         broadcast, where reach is bought with one big account; higher is word of mouth.",
        counted(u64::from(largest.size), "share", "shares"),
        counted(u64::from(largest.depth), "step", "steps"),
        largest.structural_virality,
    );
    Some(Chart {
        name: "structural_virality",
        title: "Broadcast or word of mouth".into(),
        caption,
        axes: ("shares in the cascade".into(), "structural virality (mean steps between two sharers)".into()),
        marks: Marks::Scatter { points, log_x: true, log_y: false },
    })
}

/// The largest cascade as a tree, its root in the middle and a ring per step.
fn largest(
    graph: &BusinessGraph,
    shares: &[Share],
    forest: &Forest,
    shapes: &Shapes,
    cascades: &Cascades,
) -> Option<Chart> {
    const DRAWN: usize = 150;
    let shape = &cascades.all.first()?.0;
    if shape.size < 3 {
        return None;
    }
    // Nearest to the root first, then by time, as many as can be told apart.
    let tree = shapes.tree[shape.root as usize];
    let mut members: Vec<u32> =
        (0..shares.len() as u32).filter(|&v| shapes.tree[v as usize] == tree).collect();
    members.sort_by_key(|&v| (shapes.depth[v as usize], shares[v as usize].at, shares[v as usize].order));
    members.truncate(DRAWN);
    let index: HashMap<u32, usize> = members.iter().copied().zip(0..).collect();
    let parent_of = |i: usize| index.get(&forest.parent[members[i] as usize]).copied();

    // Members stand parents first, so leaves add up backwards and sectors are handed out forwards.
    let mut leaves = vec![0usize; members.len()];
    let mut children = vec![0usize; members.len()];
    for i in (0..members.len()).rev() {
        leaves[i] = leaves[i].max(1);
        if let Some(parent) = parent_of(i) {
            leaves[parent] += leaves[i];
            children[parent] += 1;
        }
    }
    let rings = shapes.depth[members[members.len() - 1] as usize].max(1);
    let mut next = vec![0.0; members.len()];
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    for (i, &v) in members.iter().enumerate() {
        let width = std::f64::consts::TAU * leaves[i] as f64 / leaves[0] as f64;
        let start = parent_of(i).map_or(0.0, |parent| {
            edges.push((parent, i));
            next[parent] += width;
            next[parent] - width
        });
        next[i] = start;
        let radius = 0.48 * f64::from(shapes.depth[v as usize]) / f64::from(rings);
        let (sin, cos) = (start + width / 2.0).sin_cos();
        // Only those who led others on are named; a leaf's name would hide the tree.
        let name = if children[i] > 0 { graph.name(NodeId(shares[v as usize].sharer)) } else { "" };
        let size = (children[i] as f64 / children[0].max(1) as f64).min(1.0);
        nodes.push((name.to_owned(), 0.5 + radius * cos, 0.5 + radius * sin, size, i == 0));
    }
    let root = &shares[shape.root as usize];
    let led = children.iter().filter(|&&n| n > 0).count();
    let part = if (shape.size as usize) > DRAWN {
        format!(" The first {DRAWN} shares are drawn.")
    } else {
        String::new()
    };
    let caption = format!(
        "{} shared {} and {} followed; {led} of the sharers drawn led others on. Thank those in the middle of \
         branches: without them it would have ended early.{part}",
        graph.name(NodeId(root.sharer)),
        graph.name(NodeId(root.content)),
        counted(u64::from(shape.size) - 1, "share", "shares"),
    );
    Some(Chart {
        name: "largest_cascade",
        title: "The largest cascade".into(),
        caption,
        axes: (String::new(), String::new()),
        marks: Marks::Network { nodes, edges },
    })
}
