//! The readers on a real `PostgreSQL` 18: the four layouts as they come, their older generation, and what goes wrong.

mod doctor;
mod installations;
mod layouts;
mod losses;
mod meant;
mod migration;
mod moved;
mod names;
mod odd_rows;
mod read_only;
mod refusals;
mod several_schemas;
mod touch_layouts;
mod unified_schema;

#[path = "../support/mod.rs"]
mod support;

use support::scratch;

use sonograph::ontology::Relation;
use sonograph::sources::facts::{End, Facts, NodeFact, Value};

const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";

fn nodes(facts: &Facts) -> Vec<NodeFact> {
    facts.nodes.rows().expect("they read")
}

fn node(facts: &Facts, reference: &str) -> NodeFact {
    let found = nodes(facts).into_iter().find(|node| node.source.to_string() == reference);
    found.unwrap_or_else(|| panic!("no fact of {reference}"))
}

/// Both ends of every edge of a relation, in order.
fn edges(facts: &Facts, relation: Relation) -> Vec<(String, String)> {
    let end = |end: &End| match end {
        End::Row(row) => format!("{}:{}", row.table.rsplit('.').next().unwrap_or_default(), row.pk),
        End::Organization { domain, name } => {
            promoter(domain.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default())
        }
        End::Genre(name) => name.clone(),
    };
    let all = facts.edges.rows().expect("they read");
    let of = all.iter().filter(|edge| edge.relation == relation);
    let mut told: Vec<_> = of.map(|edge| (end(&edge.src), end(&edge.dst))).collect();
    told.sort();
    told
}

fn promoter(domain: &str, name: &str) -> String {
    format!("{domain}/{name}")
}

fn micros(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("a timestamp").as_microsecond()
}

fn instant(text: &str) -> Value {
    Value::Instant(micros(text) / 1000)
}

/// Facts in an order of their own, because a source may deliver its rows in any, and without the tables they came from.
fn told(mut facts: Facts) -> String {
    facts.read.clear();
    facts.missing.clear();
    facts.schemas.clear();
    let mut touches = facts.touches.rows().expect("they read");
    touches.sort_by_key(|touch| touch.id.clone());
    let mut nodes = nodes(&facts);
    nodes.sort_by_key(|node| node.source.clone());
    let (mut edges, mut identifies) =
        (facts.edges.rows().expect("they read"), facts.identifies.rows().expect("they read"));
    edges.sort_by_key(|edge| format!("{edge:?}"));
    identifies.sort_by_key(|identify| identify.id.clone());
    format!("{facts:#?}{nodes:#?}{edges:#?}{touches:#?}{identifies:#?}")
}
