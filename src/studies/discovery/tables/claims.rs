//! The claim funnel: who stands where by the graph, how things moved by `claim_events`, and which claims are at fault.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{DataFrame, StringChunked};

use super::columns::{CLAIM_CHECKS, CLAIM_FUNNEL};
use super::{Cells, counts, pairs, table, texts, words};
use crate::graph::{BusinessGraph, NodeId};
use crate::ontology::{Label, Relation, Uid};
use crate::snapshot::tables::microseconds;
use crate::studies::StudyError;
use crate::studies::conversion::intervals::Interval;
use crate::studies::discovery::claim_stages::{Fault, Median, Move, Stage, Stay, Walk, median, walk};
use crate::studies::findings::{Chart, Estimate, Fact, Findings, Marks, Table};

/// The companion table that holds the moves.
const MOVES: &str = "claim_events";
/// What can be claimed, in the order of the table.
const KINDS: [&str; 4] = ["artist", "person", "venue", "organization"];

/// The things that can be claimed.
struct Register<'g> {
    graph: &'g BusinessGraph,
    /// Node → kind and status, as the graph has it.
    status: BTreeMap<u32, (usize, &'g str)>,
}

impl<'g> Register<'g> {
    fn of(graph: &'g BusinessGraph) -> Result<Self, StudyError> {
        let mut status = BTreeMap::new();
        for label in [Label::Person, Label::Venue, Label::Organization] {
            let Some(column) = texts(graph, label, "claim_status")? else { continue };
            for node in graph.nodes_with(label.name()) {
                let own = graph.label(node) == label.name();
                if let Some(text) = column.get(graph.row(node)).filter(|_| own) {
                    status.insert(node.0, (kind_of(graph, node), text));
                }
            }
        }
        Ok(Self { graph, status })
    }

    fn kind(&self, node: u32) -> Option<usize> {
        self.status.get(&node).map(|(kind, _)| *kind)
    }

    fn stock(&self, kind: usize, stage: Stage) -> u64 {
        self.status.values().filter(|status| **status == (kind, stage.name())).count() as u64
    }
}

fn kind_of(graph: &BusinessGraph, node: NodeId) -> usize {
    match graph.label(node) {
        "Venue" => 2,
        "Organization" => 3,
        _ if graph.has_label(node, "Artist") => 0,
        _ => 1,
    }
}

/// The moves on record, by row.
struct Record<'g> {
    ids: &'g StringChunked,
    entities: &'g StringChunked,
    from: &'g StringChunked,
    to: &'g StringChunked,
    claimants: &'g StringChunked,
    at: Vec<Option<i64>>,
    /// Node of the entity, where the register has it.
    nodes: Vec<Option<u32>>,
    /// The moves of known things, and the row of each.
    moves: Vec<Move>,
    rows: Vec<usize>,
}

impl<'g> Record<'g> {
    fn of(register: &Register<'g>, frame: &'g DataFrame) -> Result<Self, StudyError> {
        let text = |name: &str| frame.column(name).and_then(|c| c.str()).map_err(StudyError::table(MOVES));
        let (entities, from, to) = (text("entity")?, text("from_status")?, text("to_status")?);
        let times = frame.column("occurred_at").and_then(microseconds).map_err(StudyError::table(MOVES))?;
        let node = |uid: &str| register.graph.node(uid).filter(|v| register.status.contains_key(&v.0));
        let nodes: Vec<Option<u32>> = entities.iter().map(|uid| Some(node(uid?)?.0)).collect();
        let stage = |column: &StringChunked, row| column.get(row).and_then(Stage::named);
        let (mut moves, mut rows) = (Vec::new(), Vec::new());
        for (row, node) in nodes.iter().enumerate() {
            if let (Some(of), Some(at)) = (*node, times[row]) {
                moves.push(Move { of, at, from: stage(from, row), to: stage(to, row) });
                rows.push(row);
            }
        }
        let (ids, claimants) = (text("id")?, text("claimant")?);
        Ok(Self { ids, entities, from, to, claimants, at: times, nodes, moves, rows })
    }
}

/// Fills `claim_funnel` and `claim_checks`.
pub fn claims(graph: &BusinessGraph, findings: &mut Findings) -> Result<(), StudyError> {
    let register = Register::of(graph)?;
    let record = graph.companion(MOVES).map(|frame| Record::of(&register, frame)).transpose()?;
    let walked = record.as_ref().map(|record| walk(&record.moves));
    funnel(&register, record.as_ref().zip(walked.as_ref()), findings)?;
    let wrong = checks(&register, record.as_ref().zip(walked.as_ref()))?;
    let by = |names: &[&str]| wrong.iter().filter(|w| names.contains(&w.check)).count() as u64;
    let unknown = by(&["unknown_claimant", "ambiguous_claimant"]);
    let faults = wrong.len() as u64 - unknown;
    if record.is_some() {
        findings.facts.push(Fact::count(
            "claim_faults",
            "claims against the rules of the funnel",
            faults,
            "claims",
        ));
    } else if !register.status.is_empty() {
        findings.caveats.push(
            "the snapshot has no `claim_events`: the funnel shows how many stand where, not how fast or how often they \
             move on, and no rate is made up from that; whether moves were legal is unknown"
                .into(),
        );
    }
    findings.facts.push(Fact::count(
        "claims_unknown",
        "claims by somebody no source knows",
        unknown,
        "claims",
    ));
    if unknown > 0 {
        findings.caveats.push(format!(
            "{unknown} claims are by an id that no source gives one person: see `{}`, nobody is guessed",
            CLAIM_CHECKS.name
        ));
    }
    findings.tables.push(wrong_table(&register, &wrong)?);
    Ok(())
}

/// One row of the funnel.
struct Row {
    kind: usize,
    stage: Stage,
    stock: u64,
    flow: Option<Flow>,
}

/// What moved.
struct Flow {
    entered: u64,
    left: u64,
    open: u64,
    base: Option<u64>,
    advanced: Option<u64>,
    rate: Option<(f64, (f64, f64))>,
    stays: u64,
    median: Option<Median>,
}

fn funnel(
    register: &Register<'_>,
    flow: Option<(&Record<'_>, &Walk)>,
    findings: &mut Findings,
) -> Result<(), StudyError> {
    let kinds: BTreeSet<usize> = register.status.values().map(|(kind, _)| *kind).collect();
    let mut rows = Vec::new();
    for kind in kinds {
        for stage in Stage::ALL {
            let flow = flow.map(|(record, walk)| flow_of(register, &record.moves, walk, kind, stage));
            rows.push(Row { kind, stage, stock: register.stock(kind, stage), flow });
        }
    }
    let count = |pick: fn(&Flow) -> Option<u64>| {
        let cell = |row: &Row| row.flow.as_ref().and_then(pick).map(|n| n as i64);
        Cells::Count(rows.iter().map(cell).collect())
    };
    let number = |pick: fn(&Flow) -> Option<f64>| {
        Cells::Number(rows.iter().map(|row| row.flow.as_ref().and_then(pick)).collect())
    };
    let cells = vec![
        words(rows.iter().map(|row| KINDS[row.kind])),
        words(rows.iter().map(|row| row.stage.name())),
        counts(rows.iter().map(|row| row.stock)),
        count(|f| Some(f.entered)),
        count(|f| Some(f.left)),
        count(|f| Some(f.open)),
        count(|f| f.base),
        count(|f| f.advanced),
        number(|f| f.rate.map(|(rate, _)| rate)),
        number(|f| f.rate.map(|(_, (low, _))| low)),
        number(|f| f.rate.map(|(_, (_, high))| high)),
        count(|f| Some(f.stays)),
        number(|f| f.median.map(|m| m.value)),
        number(|f| f.median.and_then(|m| m.interval).map(|(low, _)| low)),
        number(|f| f.median.and_then(|m| m.interval).map(|(_, high)| high)),
    ];
    findings.tables.push(table(&CLAIM_FUNNEL, cells)?);
    let sum = |stage: Stage| rows.iter().filter(|row| row.stage == stage).map(|row| row.stock).sum::<u64>();
    findings.facts.extend([
        Fact::count("claims_claimed", "things claimed", sum(Stage::Claimed), "things"),
        Fact::count("claims_pending", "claims waiting for a decision", sum(Stage::Pending), "things"),
        Fact::count("claims_unclaimed", "things nobody has claimed", sum(Stage::Unclaimed), "things"),
    ]);
    findings.charts.extend(chart(&rows));
    Ok(())
}

fn flow_of(register: &Register<'_>, moves: &[Move], walk: &Walk, kind: usize, stage: Stage) -> Flow {
    let of_kind = |of: u32| register.kind(of) == Some(kind);
    let own = || moves.iter().filter(|m| of_kind(m.of));
    let stays = || walk.stays.iter().filter(|s| of_kind(s.of) && s.stage == stage);
    let left = own().filter(|m| m.from == Some(stage)).count() as u64;
    let ahead = || own().filter(|m| m.from == Some(stage) && m.to == stage.next());
    let (base, advanced) = match stage {
        Stage::Unclaimed => {
            let things = register.status.values().filter(|(k, _)| *k == kind).count() as u64;
            (Some(things), Some(ahead().map(|m| m.of).collect::<BTreeSet<_>>().len() as u64))
        }
        Stage::Pending => (Some(left), Some(ahead().count() as u64)),
        Stage::Claimed => (None, None),
    };
    let rate = base
        .zip(advanced)
        .filter(|(base, _)| *base > 0)
        .map(|(base, advanced)| (advanced as f64 / base as f64, Interval::Wilson.of(advanced, base)));
    let lengths: Vec<f64> = stays().filter_map(Stay::seconds).collect();
    Flow {
        entered: own().filter(|m| m.to == Some(stage)).count() as u64,
        left,
        open: stays().filter(|s| s.entered.is_some() && s.left.is_none()).count() as u64,
        base,
        advanced,
        rate,
        stays: lengths.len() as u64,
        median: median(lengths),
    }
}

/// The rates with their intervals; without moves the stock.
fn chart(rows: &[Row]) -> Option<Chart> {
    let name = "claim_funnel";
    let moved = |row: &Row| {
        let flow = row.flow.as_ref()?;
        let (value, (low, high)) = flow.rate?;
        let step = if row.stage == Stage::Unclaimed { "ever asked for" } else { "granted once decided" };
        Some(Estimate { label: format!("{}: {step}", KINDS[row.kind]), value, low, high, n: flow.base? })
    };
    let estimates: Vec<Estimate> = rows.iter().filter_map(moved).collect();
    if !estimates.is_empty() {
        let total = |stage: Stage, pick: fn(&Flow) -> Option<u64>| -> u64 {
            rows.iter().filter(|r| r.stage == stage).filter_map(|r| pick(r.flow.as_ref()?)).sum()
        };
        let caption = format!(
            "{} of {} things in the register were ever asked for; {} of {} decided claims were granted. The number behind \
             each share is its n; open claims are in no share.",
            total(Stage::Unclaimed, |f| f.advanced),
            total(Stage::Unclaimed, |f| f.base),
            total(Stage::Pending, |f| f.advanced),
            total(Stage::Pending, |f| f.base),
        );
        return Some(Chart {
            name,
            title: "How claims move on, by kind".into(),
            caption,
            axes: ("share that moved on (95 % interval)".into(), String::new()),
            marks: Marks::Forest { rows: estimates, reference: None },
        });
    }
    let mut bars: Vec<(String, f64)> = rows
        .iter()
        .filter(|row| row.stock > 0)
        .map(|row| (format!("{}, {}", KINDS[row.kind], row.stage.name()), row.stock as f64))
        .collect();
    bars.sort_by(|a, b| b.1.total_cmp(&a.1));
    (!bars.is_empty()).then(|| Chart {
        name,
        title: "Where claims stand, by kind".into(),
        caption: "A stock, no rate: without a record of moves nobody knows how fast claims move on.".into(),
        axes: ("things".into(), String::new()),
        marks: Marks::Bars { bars },
    })
}

/// A claim at fault.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wrong<'g> {
    /// Place of the check in the order of the table.
    order: usize,
    check: &'static str,
    entity: &'g str,
    at: Option<i64>,
    event: Option<&'g str>,
    from: Option<&'g str>,
    to: Option<&'g str>,
    claimant: Option<&'g str>,
}

/// The checks in the order of the table.
const CHECKS: [&str; 7] = [
    "illegal_move",
    "gap",
    "status_differs",
    "status_without_move",
    "unknown_entity",
    "unknown_claimant",
    "ambiguous_claimant",
];

fn checks<'g>(
    register: &Register<'g>,
    flow: Option<(&Record<'g>, &Walk)>,
) -> Result<Vec<Wrong<'g>>, StudyError> {
    let graph = register.graph;
    let fault = |check: &'static str, entity: &'g str, row: Option<(&Record<'g>, usize)>| {
        let text = |pick: fn(&Record<'g>) -> &'g StringChunked| row.and_then(|(r, row)| pick(r).get(row));
        Wrong {
            order: CHECKS.iter().position(|c| *c == check).expect("every check has its place"),
            check,
            entity,
            at: row.and_then(|(record, row)| record.at[row]),
            event: text(|r| r.ids),
            from: text(|r| r.from),
            to: text(|r| r.to),
            claimant: text(|r| r.claimants),
        }
    };
    let mut all = Vec::new();
    // (entity, claimant) → row of the last move; whom an entity's moves name at all.
    let mut claimed: BTreeMap<(&str, &str), Option<(&Record<'g>, usize)>> = BTreeMap::new();
    if let Some((record, walk)) = flow {
        let of_move = |i: usize| graph.uid(NodeId(record.moves[i].of));
        for &(i, what) in &walk.faults {
            let check = if what == Fault::Illegal { "illegal_move" } else { "gap" };
            all.push(fault(check, of_move(i), Some((record, record.rows[i]))));
        }
        let mut moved = BTreeSet::new();
        for &i in &walk.last {
            let node = record.moves[i].of;
            moved.insert(node);
            let row = record.rows[i];
            if record.to.get(row) != register.status.get(&node).map(|(_, status)| *status) {
                all.push(fault("status_differs", of_move(i), Some((record, row))));
            }
        }
        for (&node, &(_, status)) in &register.status {
            if status != Stage::Unclaimed.name() && !moved.contains(&node) {
                all.push(fault("status_without_move", graph.uid(NodeId(node)), None));
            }
        }
        let mut strangers = BTreeMap::new();
        for (row, entity) in record.entities.iter().enumerate() {
            let Some(entity) = entity else { continue };
            match record.nodes[row] {
                None => {
                    strangers.insert(entity, row);
                }
                Some(_) => {
                    if let Some(claimant) = record.claimants.get(row) {
                        claimed.insert((entity, claimant), Some((record, row)));
                    }
                }
            }
        }
        all.extend(strangers.iter().map(|(e, &row)| fault("unknown_entity", e, Some((record, row)))));
    }
    let people = people(graph, &claimed.keys().map(|(_, claimant)| *claimant).collect())?;
    for (&(entity, claimant), &row) in &claimed {
        match people.get(claimant).map_or(0, BTreeSet::len) {
            1 => {}
            0 => all.push(fault("unknown_claimant", entity, row)),
            _ => all.push(fault("ambiguous_claimant", entity, row)),
        }
    }
    // What is claimed has an owner; where no move names one and no edge leads from one, nobody knows them.
    let owned: BTreeSet<u32> = pairs(graph, Relation::Claims).into_iter().map(|(_, thing)| thing).collect();
    let named: BTreeSet<&str> = claimed.keys().map(|(entity, _)| *entity).collect();
    for (&node, &(_, status)) in &register.status {
        let uid = graph.uid(NodeId(node));
        if status == Stage::Claimed.name() && !owned.contains(&node) && !named.contains(uid) {
            all.push(fault("unknown_claimant", uid, None));
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// The people each of these ids may be: the unified person of that id, or whoever has a source row of that key.
fn people<'c>(
    graph: &BusinessGraph,
    wanted: &BTreeSet<&'c str>,
) -> Result<BTreeMap<&'c str, BTreeSet<u32>>, StudyError> {
    let label = Label::Person.name();
    let mut found: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for &id in wanted {
        let person = graph.node(Uid::entity(id).as_str()).filter(|&v| graph.label(v) == label);
        found.entry(id).or_default().extend(person.map(|v| v.0));
    }
    let Some(refs) = graph.property(label, "refs").filter(|_| !wanted.is_empty()) else { return Ok(found) };
    let refs = refs.list().map_err(StudyError::table(label))?;
    for node in graph.nodes_with(label).into_iter().filter(|&v| graph.label(v) == label) {
        let Some(own) = refs.get_as_series(graph.row(node)) else { continue };
        for reference in own.str().map_err(StudyError::table(label))?.iter().flatten() {
            let key = reference.splitn(3, ':').nth(2);
            if let Some(people) = key.and_then(|key| found.get_mut(key)) {
                people.insert(node.0);
            }
        }
    }
    Ok(found)
}

fn wrong_table(register: &Register<'_>, wrong: &[Wrong<'_>]) -> Result<Table, StudyError> {
    let graph = register.graph;
    let text = |pick: &dyn Fn(&Wrong<'_>) -> Option<String>| Cells::Text(wrong.iter().map(pick).collect());
    let node = |w: &Wrong<'_>| graph.node(w.entity).filter(|_| w.check != "unknown_entity");
    let status = |w: &Wrong<'_>| register.status.get(&node(w)?.0).copied();
    let cells = vec![
        words(wrong.iter().map(|w| w.check)),
        words(wrong.iter().map(|w| w.entity)),
        text(&|w| node(w).map(|v| graph.name(v).to_owned())),
        text(&|w| status(w).map(|(kind, _)| KINDS[kind].to_owned())),
        Cells::Moment(wrong.iter().map(|w| w.at).collect()),
        text(&|w| w.event.map(str::to_owned)),
        text(&|w| w.from.map(str::to_owned)),
        text(&|w| w.to.map(str::to_owned)),
        text(&|w| status(w).map(|(_, status)| status.to_owned())),
        text(&|w| w.claimant.map(str::to_owned)),
    ];
    table(&CLAIM_CHECKS, cells)
}
