//! Whom to win next: organisations nobody has claimed, and devices nobody is known behind.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::LEADS;
use super::programme::said_cut;
use super::{Cells, pairs, table, texts, words};
use crate::graph::{BusinessGraph, NodeId};
use crate::ontology::{Label, Relation};
use crate::studies::StudyError;
use crate::studies::devices::persons_of_devices;
use crate::studies::discovery::engagement::{Engaged, Reach, Touch, engaged, reach};
use crate::studies::findings::{Fact, Findings};

/// What is told of a lead.
struct Lead {
    kind: &'static str,
    rank: i64,
    node: u32,
    people: Option<i64>,
    events: u64,
    touches: u64,
    follows: Option<i64>,
    sources: Option<Vec<String>>,
    shared: Option<bool>,
    last: Option<i64>,
}

/// Fills `leads`.
pub fn leads(graph: &BusinessGraph, most: usize, findings: &mut Findings) -> Result<(), StudyError> {
    let mut organizations = organizations(graph)?;
    let promoting = unclaimed_promoters(graph)?.len();
    let mut visitors = visitors(graph)?;
    findings.facts.extend([
        Fact::count(
            "leads_organizations",
            "unclaimed organisations that reach people",
            organizations.len() as u64,
            "organisations",
        ),
        Fact::count(
            "leads_silent",
            "unclaimed organisations whose events reached nobody yet",
            (promoting - organizations.len()) as u64,
            "organisations",
        ),
        Fact::count(
            "leads_visitors",
            "anonymous visitors who took interest",
            visitors.len() as u64,
            "visitors",
        ),
    ]);
    let cut = organizations.len().saturating_sub(most) + visitors.len().saturating_sub(most);
    said_cut(&LEADS, cut, most, &mut findings.caveats);
    organizations.truncate(most);
    visitors.truncate(most);
    let rows: Vec<Lead> = organizations.into_iter().chain(visitors).collect();
    let count = |pick: fn(&Lead) -> Option<i64>| Cells::Count(rows.iter().map(pick).collect());
    let sources = rows.iter().map(|lead| lead.sources.clone()).collect();
    let cells = vec![
        words(rows.iter().map(|lead| lead.kind)),
        count(|lead| Some(lead.rank)),
        words(rows.iter().map(|lead| graph.uid(NodeId(lead.node)))),
        words(rows.iter().map(|lead| graph.name(NodeId(lead.node)))),
        count(|lead| lead.people),
        count(|lead| Some(lead.events as i64)),
        count(|lead| Some(lead.touches as i64)),
        count(|lead| lead.follows),
        Cells::Texts(sources),
        Cells::Flag(rows.iter().map(|lead| lead.shared).collect()),
        Cells::Moment(rows.iter().map(|lead| lead.last).collect()),
    ];
    findings.tables.push(table(&LEADS, cells)?);
    Ok(())
}

/// The touches of one relation, as they are.
fn touches(graph: &BusinessGraph, relation: Relation) -> Vec<Touch> {
    let Some(table) = graph.edges(relation.name()) else { return vec![] };
    let times = table.timestamps();
    let touch = |(who, row): (u32, usize)| Touch {
        who,
        event: table.dst[row],
        at: times.as_ref().and_then(|times| times[row]),
    };
    table.src.iter().zip(0..).map(touch).collect()
}

/// Organisations whose status is unclaimed and who promote an event.
fn unclaimed_promoters(graph: &BusinessGraph) -> Result<BTreeSet<u32>, StudyError> {
    let label = Label::Organization;
    let Some(status) = texts(graph, label, "claim_status")? else { return Ok(BTreeSet::new()) };
    let is_unclaimed = |&v: &u32| {
        graph.label(NodeId(v)) == label.name() && status.get(graph.row(NodeId(v))) == Some("unclaimed")
    };
    Ok(pairs(graph, Relation::Promotes).into_iter().map(|(src, _)| src).filter(is_unclaimed).collect())
}

fn organizations(graph: &BusinessGraph) -> Result<Vec<Lead>, StudyError> {
    let unclaimed = unclaimed_promoters(graph)?;
    let mut promotes = pairs(graph, Relation::Promotes);
    promotes.retain(|(organization, _)| unclaimed.contains(organization));
    let person_of = persons_of_devices(graph);
    let mut all = touches(graph, Relation::InterestedIn);
    all.extend(touches(graph, Relation::Attended));
    for touch in &mut all {
        touch.who = *person_of.get(&touch.who).unwrap_or(&touch.who);
    }
    let lead = |(rank, r): (i64, Reach)| Lead {
        kind: "organization",
        rank,
        node: r.promoter,
        people: Some(r.people as i64),
        events: r.events,
        touches: r.touches,
        follows: None,
        sources: None,
        shared: None,
        last: r.last,
    };
    Ok((1..).zip(reach(&promotes, all)).map(lead).collect())
}

fn visitors(graph: &BusinessGraph) -> Result<Vec<Lead>, StudyError> {
    let label = Label::Visitor.name();
    let identified: BTreeSet<u32> =
        pairs(graph, Relation::IdentifiedAs).into_iter().map(|(device, _)| device).collect();
    let is_anonymous = |v: u32| graph.label(NodeId(v)) == label && !identified.contains(&v);
    let mut all = touches(graph, Relation::InterestedIn);
    all.retain(|touch| is_anonymous(touch.who));
    let mut sources: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    if let Some(table) = graph.edges(Relation::InterestedIn.name())
        && let Ok(column) = table.frame.column("attribution_source")
    {
        let named = column.str().map_err(StudyError::table(&table.relation))?;
        for (who, source) in table.src.iter().zip(named.iter()) {
            if let Some(source) = source.filter(|_| is_anonymous(who)) {
                sources.entry(who).or_default().insert(source);
            }
        }
    }
    let mut follows: BTreeMap<u32, i64> = BTreeMap::new();
    for (who, _) in pairs(graph, Relation::Follows) {
        *follows.entry(who).or_default() += 1;
    }
    let shared = match graph.property(label, "shared") {
        Some(column) => Some(column.bool().map_err(StudyError::table(label))?),
        None => None,
    };
    let lead = |(rank, e): (i64, Engaged)| Lead {
        kind: "visitor",
        rank,
        node: e.who,
        people: None,
        events: e.events,
        touches: e.touches,
        follows: Some(follows.get(&e.who).copied().unwrap_or(0)),
        sources: Some(sources.get(&e.who).into_iter().flatten().map(|source| (*source).to_owned()).collect()),
        shared: Some(shared.and_then(|shared| shared.get(graph.row(NodeId(e.who)))).unwrap_or(false)),
        last: e.last,
    };
    Ok((1..).zip(engaged(all)).map(lead).collect())
}
