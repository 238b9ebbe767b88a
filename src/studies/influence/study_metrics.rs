//! What the influence study can be asked for, and the columns it answers with.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::studies::findings::ScoreColumn;

/// A score that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Metric {
    /// Rank by following edges
    #[value(name = "pagerank")]
    #[serde(rename = "pagerank")]
    PageRank,
    /// Rank as seen from --sources, --sources-where or --sources-weight
    #[value(name = "personalized_pagerank")]
    #[serde(rename = "personalized_pagerank")]
    PersonalizedPageRank,
    /// Shortest paths that lead through, from samples where the graph is large
    Betweenness,
    /// Nearness to everybody; by default where the graph is small
    Harmonic,
    /// Whom matter those that matter; by default where the graph is small
    Eigenvector,
    /// All walks that lead here, longer ones counting less; by default where the graph is small
    Katz,
    /// `hub` and `authority`; by default where the graph is small
    Hits,
    /// Leads to good authorities
    Hub,
    /// Is led to from good hubs
    Authority,
    /// How deep in a dense part
    Core,
    /// `in_degree` and `out_degree`
    Degree,
    /// Edges in
    InDegree,
    /// Edges out
    OutDegree,
    /// `in_strength` and `out_strength`
    Strength,
    /// Weight in
    InStrength,
    /// Weight out
    OutStrength,
    /// What removing it would tear; by default where the graph is small
    Collective,
    /// One ranking out of PageRank, betweenness, core and strength in, and the table of its highest
    Score,
    /// The table of spreaders who do not share their audience
    #[value(name = "voterank")]
    #[serde(rename = "voterank")]
    VoteRank,
}

impl Metric {
    /// What it is part of, by a name that asks for both.
    pub(super) const fn group(self) -> Option<Self> {
        match self {
            Self::Hub | Self::Authority => Some(Self::Hits),
            Self::InDegree | Self::OutDegree => Some(Self::Degree),
            Self::InStrength | Self::OutStrength => Some(Self::Strength),
            _ => None,
        }
    }

    /// The column it becomes, of a group or a table none.
    pub(super) const fn column(self) -> Option<&'static ScoreColumn> {
        match self {
            Self::PageRank => Some(&PAGERANK),
            Self::PersonalizedPageRank => Some(&PERSONALIZED_PAGERANK),
            Self::Betweenness => Some(&BETWEENNESS),
            Self::Harmonic => Some(&HARMONIC),
            Self::Eigenvector => Some(&EIGENVECTOR),
            Self::Katz => Some(&KATZ),
            Self::Hub => Some(&HUB),
            Self::Authority => Some(&AUTHORITY),
            Self::Core => Some(&CORE),
            Self::InDegree => Some(&IN_DEGREE),
            Self::OutDegree => Some(&OUT_DEGREE),
            Self::InStrength => Some(&IN_STRENGTH),
            Self::OutStrength => Some(&OUT_STRENGTH),
            Self::Collective => Some(&COLLECTIVE),
            Self::Score => Some(&SCORE),
            Self::Hits | Self::Degree | Self::Strength | Self::VoteRank => None,
        }
    }
}

/// Every metric that is a column.
pub(super) const ALL: &[Metric] = &[
    Metric::PageRank,
    Metric::PersonalizedPageRank,
    Metric::Betweenness,
    Metric::Harmonic,
    Metric::Eigenvector,
    Metric::Katz,
    Metric::Hub,
    Metric::Authority,
    Metric::Core,
    Metric::InDegree,
    Metric::OutDegree,
    Metric::InStrength,
    Metric::OutStrength,
    Metric::Collective,
    Metric::Score,
];

/// Every column, in the order of the file.
pub(super) const COLUMNS: &[ScoreColumn] = &[
    PAGERANK,
    PERSONALIZED_PAGERANK,
    BETWEENNESS,
    HARMONIC,
    EIGENVECTOR,
    KATZ,
    HUB,
    AUTHORITY,
    CORE,
    IN_DEGREE,
    OUT_DEGREE,
    IN_STRENGTH,
    OUT_STRENGTH,
    COLLECTIVE,
    SCORE,
];

const PAGERANK: ScoreColumn = ScoreColumn {
    name: "influence_pagerank",
    unit: "1",
    meaning: "share of time a surfer who follows edges and now and then jumps anywhere spends here; all nodes together 1",
};
const PERSONALIZED_PAGERANK: ScoreColumn = ScoreColumn {
    name: "influence_personalized_pagerank",
    unit: "1",
    meaning: "PageRank whose jumps return to the given sources: nearness to them over all ways",
};
const BETWEENNESS: ScoreColumn = ScoreColumn {
    name: "influence_betweenness",
    unit: "pairs",
    meaning: "pairs of others whose shortest paths, by number of edges, lead through here; of several paths each counts its share",
};
const HARMONIC: ScoreColumn = ScoreColumn {
    name: "influence_harmonic",
    unit: "1",
    meaning: "sum of 1/distance, in edges, over all nodes from which this one can be reached",
};
const EIGENVECTOR: ScoreColumn = ScoreColumn {
    name: "influence_eigenvector",
    unit: "1",
    meaning: "proportional to the scores of the nodes whose edges lead here, by weight; all scores are a vector of length 1",
};
const KATZ: ScoreColumn = ScoreColumn {
    name: "influence_katz",
    unit: "1",
    meaning: "walks of any length that lead here, each edge more counting by a factor; 1 where none does",
};
const HUB: ScoreColumn = ScoreColumn {
    name: "influence_hub",
    unit: "1",
    meaning: "proportional to the authority of the nodes its edges lead to; all scores are a vector of length 1",
};
const AUTHORITY: ScoreColumn = ScoreColumn {
    name: "influence_authority",
    unit: "1",
    meaning: "proportional to the hub scores of the nodes whose edges lead here; all scores are a vector of length 1",
};
const CORE: ScoreColumn = ScoreColumn {
    name: "influence_core",
    unit: "neighbours",
    meaning: "the most neighbours that everybody has in some part of the graph that the node belongs to, edges taken both ways",
};
const IN_DEGREE: ScoreColumn =
    ScoreColumn { name: "influence_in_degree", unit: "edges", meaning: "edges that lead here" };
const OUT_DEGREE: ScoreColumn =
    ScoreColumn { name: "influence_out_degree", unit: "edges", meaning: "edges that lead away" };
const IN_STRENGTH: ScoreColumn = ScoreColumn {
    name: "influence_in_strength",
    unit: "weight",
    meaning: "weight of the edges that lead here",
};
const OUT_STRENGTH: ScoreColumn = ScoreColumn {
    name: "influence_out_strength",
    unit: "weight",
    meaning: "weight of the edges that lead away",
};
const COLLECTIVE: ScoreColumn = ScoreColumn {
    name: "influence_collective",
    unit: "1",
    meaning: "neighbours beyond one, times those that the nodes two steps away have beyond one: how much would fall apart without it",
};
const SCORE: ScoreColumn = ScoreColumn {
    name: "influence_score",
    unit: "share",
    meaning: "share of the others of its label that it stands above, the mean over PageRank, betweenness, core and strength in",
};
