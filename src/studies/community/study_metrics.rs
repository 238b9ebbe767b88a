//! What the community study can be asked for, and the columns it answers with.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::studies::findings::ScoreColumn;

pub(super) const COMPONENT: ScoreColumn = ScoreColumn {
    name: "community_component",
    unit: "id",
    meaning: "which connected part of the graph the node is in, edges taken both ways; the number itself means nothing",
};

pub(super) const STRONG_COMPONENT: ScoreColumn = ScoreColumn {
    name: "community_strong_component",
    unit: "id",
    meaning: "which set of nodes that reach each other along the edges the node is in; the number itself means nothing",
};
pub(super) const LABEL: ScoreColumn = ScoreColumn {
    name: "community_label",
    unit: "id",
    meaning: "which nodes agreed on a label by going along with most of their neighbours; the number itself means nothing",
};
pub(super) const LEIDEN: ScoreColumn = ScoreColumn {
    name: "community_leiden",
    unit: "id",
    meaning: "which community of more edges among each other than chance would have the node is in, edges taken both ways; the number itself means nothing",
};
pub(super) const CLUSTERING: ScoreColumn = ScoreColumn {
    name: "community_clustering",
    unit: "1",
    meaning: "share of the possible edges among the node's neighbours that are there (LDBC's local clustering coefficient)",
};
pub(super) const TRIANGLES: ScoreColumn = ScoreColumn {
    name: "community_triangles",
    unit: "triangles",
    meaning: "pairs of neighbours that are neighbours of each other, edges taken both ways",
};

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Metric {
    /// Connected parts
    Component,
    /// Parts in which every node reaches every other along the edges
    StrongComponent,
    /// Communities by label propagation
    Label,
    /// Communities with more edges inside than by chance
    Leiden,
    /// Share of a node's neighbours that are neighbours of each other
    Clustering,
    /// Pairs of neighbours that are neighbours of each other
    Triangles,
    /// Edges and nodes without which the graph falls apart
    Bridges,
    /// Events that share their people
    #[value(name = "coattendance")]
    #[serde(rename = "coattendance")]
    CoAttendance,
}

impl Metric {
    /// Those that are a column of the scores.
    pub(super) const SCORES: [Self; 6] = [
        Self::Component,
        Self::StrongComponent,
        Self::Label,
        Self::Leiden,
        Self::Clustering,
        Self::Triangles,
    ];
}
