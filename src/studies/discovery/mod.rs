//! What people look up: who plays where, what is on tonight, whom to win next, and how claims move on.
//!
//! Without a place to ask about, every table is about all of them, a bounded number of rows each. What the columns mean
//! is declared once, in `tables/columns.rs`; `study discovery --explain` prints it.

pub mod claim_stages;
pub mod engagement;
pub mod shared_events;
mod tables;
pub mod tonight;

use serde::{Deserialize, Serialize};

use super::community::coattendance;
use super::findings::{Declared, Findings};
use super::{Family, Instant, Study, StudyError, lookup};
use crate::context::Context;
use crate::graph::{BusinessGraph, NodeId};
use crate::ontology::Label;
use crate::snapshot::tables::size::Sizes;
use tables::columns::{
    ALL, ALSO_ATTENDED, ARTISTS_AT_VENUE, CLAIM_CHECKS, CLAIM_FUNNEL, LEADS, TONIGHT, VENUES_BY_PROMOTER,
};
use tonight::Spot;

/// What people look up: what is asked of the graph.
#[derive(Debug, Clone, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Only the artists at this venue: its uid or canonical id (a Google Place ID) [default: all venues]
    #[arg(long, value_name = "UID|ID")]
    pub venue: Option<String>,
    /// Only the venues of this promoter: its uid or canonical id (a domain) [default: all promoters]
    #[arg(long, value_name = "UID|ID")]
    pub promoter: Option<String>,
    /// Only what else the people of this event attended [default: all events]
    #[arg(long, value_name = "UID")]
    pub event: Option<String>,
    /// Where one is: only tonight's events within the radius [default: anywhere]
    #[arg(long, value_name = "LAT,LNG", help_heading = "Tonight", allow_hyphen_values = true)]
    pub near: Option<Spot>,
    /// How far one would go
    #[arg(long, value_name = "METRES", help_heading = "Tonight", default_value_t = Params::DEFAULT_RADIUS)]
    pub radius: f64,
    /// When tonight is: 17:00 to 05:00 on each venue's clock; before 05:00 it is still last evening's night [default:
    /// the newest attendance, interest, share or follow]
    #[arg(long, value_name = "MOMENT", help_heading = "Tonight")]
    pub at: Option<Instant>,
    /// Keep at most this many rows per venue, promoter, event and kind of lead
    #[arg(long, value_name = "ROWS", default_value_t = Params::DEFAULT_MOST)]
    pub most: u32,
    /// How co-attendance is counted.
    #[command(flatten)]
    #[serde(flatten)]
    pub coattendance: coattendance::Params,
}

impl Params {
    const DEFAULT_RADIUS: f64 = 5_000.0;
    const DEFAULT_MOST: u32 = 20;
}

impl Default for Params {
    fn default() -> Self {
        Self {
            venue: None,
            promoter: None,
            event: None,
            near: None,
            radius: Self::DEFAULT_RADIUS,
            at: None,
            most: Self::DEFAULT_MOST,
            coattendance: coattendance::Params::DEFAULT,
        }
    }
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "discovery",
        question: "who plays where, what is on tonight, whom to win next, and how claims move on",
        scores: &[],
        tables: &[
            (LEADS.name, LEADS.row),
            (CLAIM_FUNNEL.name, CLAIM_FUNNEL.row),
            (CLAIM_CHECKS.name, CLAIM_CHECKS.row),
            (TONIGHT.name, TONIGHT.row),
            (ARTISTS_AT_VENUE.name, ARTISTS_AT_VENUE.row),
            (VENUES_BY_PROMOTER.name, VENUES_BY_PROMOTER.row),
            (ALSO_ATTENDED.name, ALSO_ATTENDED.row),
        ],
    };
    const DECLARED: &'static [Declared] = ALL;

    fn memory(&self, sizes: &Sizes) -> u64 {
        /// An edge in the lists that are grouped, and a node in the tables that come of them.
        const EACH: u64 = 64;
        let edges: u64 = sizes.edges.values().map(|table| table.rows).sum();
        EACH * (edges + 2 * sizes.node_count())
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        if !(self.radius > 0.0 && self.radius.is_finite()) {
            return Err(StudyError::Unfit(format!("a radius of {} metres is none", self.radius)));
        }
        let mut findings = Findings::new(Self::FAMILY.name, super::to_json(self));
        findings.declared = ALL;
        let venue = asked(graph, Label::Venue, self.venue.as_deref())?;
        let promoter = asked(graph, Label::Organization, self.promoter.as_deref())?;
        let event = asked(graph, Label::Event, self.event.as_deref())?;
        let at = self.at.map(|at| at.0).or_else(|| graph.as_of());
        let most = self.most as usize;
        let pairs = coattendance::Params {
            max_others: Some(self.coattendance.max_others.unwrap_or(self.most)),
            ..self.coattendance
        };

        let parts = 5;
        let step = cx.step("discovery", Some(parts));
        tables::leads::leads(graph, most, &mut findings)?;
        step.tick(1, Some(parts))?;
        tables::claims::claims(graph, &mut findings)?;
        step.tick(2, Some(parts))?;
        let near = self.near.map(|spot| (spot, self.radius));
        tables::programme::events_tonight(graph, at, near, &mut findings)?;
        step.tick(3, Some(parts))?;
        tables::programme::artists_at_venue(graph, venue, most, &mut findings)?;
        tables::programme::venues_by_promoter(graph, promoter, most, &mut findings)?;
        step.tick(4, Some(parts))?;
        tables::programme::also_attended(graph, event, &pairs, cx, &mut findings)?;
        step.tick(5, Some(parts))?;
        Ok(findings)
    }
}

/// The node of this label that a person named by uid or canonical id.
fn asked(graph: &BusinessGraph, label: Label, given: Option<&str>) -> Result<Option<NodeId>, StudyError> {
    let Some(given) = given else { return Ok(None) };
    if let Some(node) = graph.node(given) {
        let found = graph.label(node);
        return if found == label.name() {
            Ok(Some(node))
        } else {
            Err(StudyError::Unfit(format!("`{given}` is a node of the label {found}, not {label}")))
        };
    }
    let ids = tables::texts(graph, label, "canonical_id")?;
    let by_id = graph
        .nodes_with(label.name())
        .into_iter()
        .filter(|&v| graph.label(v) == label.name())
        .find(|&v| ids.and_then(|ids| ids.get(graph.row(v))) == Some(given));
    match by_id {
        Some(node) => Ok(Some(node)),
        None => lookup::node(graph, given).map(Some),
    }
}
