//! One ranking out of several: the influence score, and how much it depends on any one of them.

use polars::prelude::Column;

use super::rank_aggregation::rank_aggregation;
use super::{Metric, Scored};
use crate::graph::NodeId;
use crate::studies::StudyError;
use crate::studies::findings::{Declared, Findings, ScoreColumn, Table};
use crate::studies::projection::{Part, Values, uids};

/// What the score is made of: what is passed on, what lies between, what is embedded, what is paid attention to.
pub(super) const PARTS: [Metric; 4] =
    [Metric::PageRank, Metric::Betweenness, Metric::Core, Metric::InStrength];

/// Nodes of each label that the table shows.
const SHOWN: u32 = 50;

/// The highest of each label.
pub(super) const RANKING: Declared = Declared {
    name: "ranking",
    title: "Who ranks first, and how sure that is",
    row: "one of the 50 first nodes of a label by `influence_score`; labels in their order, the first first",
    columns: &[
        ScoreColumn { name: "label", unit: "label", meaning: "whom it is ranked among" },
        ScoreColumn {
            name: "rank",
            unit: "1",
            meaning: "1 more than the nodes of its label with a higher score",
        },
        ScoreColumn {
            name: "rank_best",
            unit: "1",
            meaning: "its best rank with any one of the rankings left out",
        },
        ScoreColumn {
            name: "rank_worst",
            unit: "1",
            meaning: "its worst rank with any one of them left out",
        },
        ScoreColumn { name: "uid", unit: "uid", meaning: "the node" },
        ScoreColumn { name: "name", unit: "name", meaning: "its name" },
        ScoreColumn {
            name: "influence_score",
            unit: "share",
            meaning: "mean share of the others it stands above",
        },
        ScoreColumn {
            name: "at_odds",
            unit: "metric",
            meaning: "the ranking whose view of it differs most from the mean",
        },
    ],
};

/// Adds the score of every node, and the table of the highest.
pub(super) fn score(part: &Part, values: &mut Scored, found: &mut Findings) -> Result<(), StudyError> {
    let numbers = |metric: &Metric| -> Option<Vec<f64>> {
        let (_, values) = values.iter().find(|(of, _)| of == metric)?;
        Some(match values {
            Values::Numbers(numbers) => numbers.clone(),
            Values::Counts(counts) => counts.iter().map(|&count| count as f64).collect(),
        })
    };
    let (metrics, rankings): (Vec<Metric>, Vec<Vec<f64>>) =
        PARTS.iter().filter_map(|metric| Some((*metric, numbers(metric)?))).unzip();
    let mut labels: Vec<&str> = part.graph.labels().collect();
    labels.sort_unstable();
    let kind =
        |v: &NodeId| labels.binary_search(&part.graph.label(*v)).expect("every node has a label") as u32;
    let kinds: Vec<u32> = part.nodes.iter().map(kind).collect();
    let views: Vec<&[f64]> = rankings.iter().map(Vec::as_slice).collect();
    let ranked = rank_aggregation(&views, &kinds);
    let mut shown: Vec<usize> = (0..kinds.len()).filter(|&i| ranked.ranks[i] <= SHOWN).collect();
    shown.sort_by_key(|&i| (kinds[i], ranked.ranks[i], i));
    // Any number of nodes may share a rank.
    let mut of_kind = (u32::MAX, 0);
    shown.retain(|&i| {
        of_kind = if of_kind.0 == kinds[i] { (kinds[i], of_kind.1 + 1) } else { (kinds[i], 1) };
        of_kind.1 <= SHOWN
    });
    let texts = |name: &str, of: &dyn Fn(usize) -> String| {
        Column::new(name.into(), shown.iter().map(|&i| of(i)).collect::<Vec<_>>())
    };
    let ranks = |name: &str, of: &dyn Fn(usize) -> u32| {
        Column::new(name.into(), shown.iter().map(|&i| i64::from(of(i))).collect::<Vec<_>>())
    };
    found.tables.push(Table::new(
        RANKING.name,
        RANKING.title,
        vec![
            texts("label", &|i| labels[kinds[i] as usize].to_owned()),
            ranks("rank", &|i| ranked.ranks[i]),
            ranks("rank_best", &|i| ranked.bands[i].0),
            ranks("rank_worst", &|i| ranked.bands[i].1),
            uids("uid", part.graph, shown.iter().map(|&i| part.nodes[i])),
            texts("name", &|i| part.graph.name(part.nodes[i]).to_owned()),
            Column::new(
                "influence_score".into(),
                shown.iter().map(|&i| ranked.scores[i]).collect::<Vec<_>>(),
            ),
            texts("at_odds", &|i| {
                let column = metrics[ranked.at_odds[i] as usize].column();
                column.map_or_else(String::new, |column| column.name.to_owned())
            }),
        ],
    )?);
    values.push((Metric::Score, Values::Numbers(ranked.scores)));
    Ok(())
}
