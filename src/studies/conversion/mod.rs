//! Which promoters turn interest into attendance.
//!
//! The unit is one person and one event: whoever showed interest in an event that an organisation promotes was reached,
//! and converted if they attended it afterwards. Devices count as the person they are identified as. Events that have
//! not begun by the data's own clock cannot have converted anybody yet and are left out; one that somebody attended has
//! begun, whatever its start says. (That an organisation became a customer in the CRM is another question; it is not asked
//! here.)

pub mod beta_binomial;
pub mod intervals;
pub mod promoters;

use std::collections::BTreeMap;

use polars::prelude::{Column, DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use super::devices::persons_of_devices;
use super::findings::{Chart, Estimate, Fact, Findings, Marks, ScoreColumn, Table, counted, grouped};
use super::projection::{Values, scores, uids};
use super::{Family, Instant, Study, StudyError};
use crate::context::Context;
use crate::graph::{BusinessGraph, NodeId};
use crate::ontology::{Label, Relation};
use crate::snapshot::tables::size::Sizes;
use beta_binomial::Prior;
use intervals::Interval;
use promoters::{Counts, Touch, promoters};

const RATE: ScoreColumn = ScoreColumn {
    name: "conversion_rate",
    unit: "share",
    meaning: "of the people this promoter reached for an event, the share that then attended it",
};
const RATE_LOW: ScoreColumn = ScoreColumn {
    name: "conversion_rate_low",
    unit: "share",
    meaning: "lower end of the 95 % interval of the conversion rate: rank promoters by this, small numbers count against them",
};
const RATE_SHRUNK: ScoreColumn = ScoreColumn {
    name: "conversion_rate_shrunk",
    unit: "share",
    meaning: "conversion rate drawn towards all promoters' as far as its numbers are small: the best guess of the next one",
};

/// Which promoters convert: what is asked of the graph.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
#[serde(default)]
pub struct Params {
    /// Look at the world as of this moment: later touches are unknown, events that begin later are left out
    /// [default: the newest attendance, interest, share or follow]
    #[arg(long, value_name = "MOMENT")]
    pub as_of: Option<Instant>,
    /// Which 95 % interval stands beside a rate
    #[arg(long, value_enum, default_value_t = Interval::Wilson)]
    pub interval: Interval,
}

impl Study for Params {
    const FAMILY: Family = Family {
        name: "conversion",
        question: "which promoters turn interest into attendance",
        scores: &[RATE, RATE_LOW, RATE_SHRUNK],
        tables: &[("promoters", "a promoter with people reached and converted, best lower bound first")],
    };

    fn memory(&self, sizes: &Sizes) -> u64 {
        /// A touch as read, its time, and its entry among those of its person and event.
        const TOUCH: u64 = 136;
        let touches = [Relation::InterestedIn, Relation::Attended].map(|r| sizes.edges_of(r.name()));
        let pairs = [Relation::Promotes, Relation::IdentifiedAs].map(|r| sizes.edges_of(r.name()));
        TOUCH * touches.iter().sum::<u64>() + 64 * pairs.iter().sum::<u64>() + 16 * sizes.node_count()
    }

    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        let step = cx.step("promoter conversion", None);
        let mut findings = Findings::new(Self::FAMILY.name, super::to_json(self));
        let clock = self.as_of.map(|at| at.0).or_else(|| graph.as_of());
        let mut begun = Begun::of(graph, clock)?;
        let device_of = persons_of_devices(graph);
        step.tick(0, None)?;

        let pairs = |relation: Relation| {
            let table = graph.edges(relation.name());
            table.into_iter().flat_map(|t| t.src.iter().zip(t.dst.iter().copied()))
        };
        let interests = touches(graph, Relation::InterestedIn, &device_of, clock);
        step.tick(1, None)?;
        let attendances = touches(graph, Relation::Attended, &device_of, clock);
        step.tick(2, None)?;
        begun.attended(&attendances);
        let (promotes, ahead): (Vec<_>, Vec<_>) =
            pairs(Relation::Promotes).partition(|&(_, event)| begun.is_begun(event));
        let undated = interests.iter().chain(&attendances).filter(|t| t.at.is_none()).count();
        let found = promoters(&promotes, interests, attendances);
        step.tick(3, None)?;

        let idle = found.values().filter(|counts| counts.reached == 0).count();
        let mut rows: Vec<Row> = self.rows(&found);
        rows.sort_by(|a, b| {
            b.low
                .total_cmp(&a.low)
                .then(b.counts.reached.cmp(&a.counts.reached))
                .then_with(|| graph.uid(a.promoter).cmp(graph.uid(b.promoter)))
        });
        findings.tables.push(table(graph, &rows)?);
        let total = |pick: fn(&Counts) -> u64| rows.iter().map(|row| pick(row.counts)).sum::<u64>();
        let (reached, converted) = (total(|c| c.reached), total(|c| c.converted));
        findings.facts.extend([
            Fact::count("promoters_ranked", "promoters who reached anybody", rows.len() as u64, "promoters"),
            Fact::count("promoters_idle", "promoters who reached nobody yet", idle as u64, "promoters"),
            Fact::count("conversion_reached", "people and events reached", reached, "people × events"),
            Fact::count("conversion_converted", "of these converted", converted, "people × events"),
            Fact::count(
                "conversion_unseen",
                "attendances without interest seen before, in no rate",
                total(|c| c.unseen),
                "people × events",
            ),
            Fact::count(
                "conversion_events_ahead",
                "promoted events that have not begun, left out",
                distinct(&ahead),
                "events",
            ),
        ]);
        if reached > 0 {
            let rate = converted as f64 / reached as f64;
            let fact = Fact::number("conversion_rate_pooled", "rate over all promoters", rate, "share");
            findings.facts.push(fact.within(self.interval.of(converted, reached)));
        }
        findings.caveats.push(
            "a rate says who converts, not why: promoters of popular events convert well without effort"
                .to_owned(),
        );
        if undated > 0 {
            findings.caveats.push(format!(
                "{} without a time cannot show a conversion",
                counted(undated as u64, "touch", "touches")
            ));
        }
        if begun.undated > 0 {
            findings.caveats.push(format!(
                "taken to have begun: {} without a start",
                counted(begun.undated, "event", "events")
            ));
        }
        findings.charts.extend(forest(graph, &rows, converted, reached));
        rows.sort_by_key(|row| row.promoter);
        let nodes: Vec<NodeId> = rows.iter().map(|row| row.promoter).collect();
        let numbers = |pick: fn(&Row) -> f64| Values::Numbers(rows.iter().map(pick).collect());
        findings.scores = Some(scores(
            graph,
            &nodes,
            vec![
                (&RATE, numbers(|row| row.rate)),
                (&RATE_LOW, numbers(|row| row.low)),
                (&RATE_SHRUNK, numbers(|row| row.shrunk)),
            ],
        )?);
        Ok(findings)
    }
}

/// A promoter who reached somebody.
struct Row<'c> {
    promoter: NodeId,
    counts: &'c Counts,
    rate: f64,
    low: f64,
    high: f64,
    shrunk: f64,
}

impl Params {
    fn rows<'c>(&self, found: &'c BTreeMap<u32, Counts>) -> Vec<Row<'c>> {
        let reached = || found.iter().filter(|(_, counts)| counts.reached > 0);
        let counts: Vec<_> = reached().map(|(_, c)| (c.converted, c.reached)).collect();
        let Some(prior) = Prior::fit(&counts) else { return vec![] };
        reached()
            .map(|(&promoter, counts)| {
                let (low, high) = self.interval.of(counts.converted, counts.reached);
                let rate = counts.converted as f64 / counts.reached as f64;
                let shrunk = prior.shrink(counts.converted, counts.reached);
                Row { promoter: NodeId(promoter), counts, rate, low, high, shrunk }
            })
            .collect()
    }
}

fn forest(graph: &BusinessGraph, rows: &[Row], converted: u64, reached: u64) -> Option<Chart> {
    const ROWS: usize = 20;
    let best = rows.first()?;
    let pooled = converted as f64 / reached as f64;
    let above = rows.iter().filter(|row| row.low > pooled).count();
    let below = rows.iter().filter(|row| row.high < pooled).count();
    let name = |row: &Row| graph.name(row.promoter).to_owned();
    let caption = if rows.len() == 1 {
        format!(
            "{} is the only promoter who reached anybody: {} of {} came, at least {:.1} % with 95 % confidence. There is \
             nobody to compare with.",
            name(best),
            grouped(best.counts.converted),
            grouped(best.counts.reached),
            best.low * 100.0,
        )
    } else {
        format!(
            "{above} of {} promoters convert above the common rate of {:.1} % beyond doubt, {below} below it; {} leads \
         with at least {:.1} % ({} of {}). Where an interval crosses the line, the numbers are too small to tell.",
            rows.len(),
            pooled * 100.0,
            name(best),
            best.low * 100.0,
            grouped(best.counts.converted),
            grouped(best.counts.reached),
        )
    };
    let estimate = |row: &Row| Estimate {
        label: name(row),
        value: row.rate,
        low: row.low,
        high: row.high,
        n: row.counts.reached,
    };
    Some(Chart {
        name: "promoter_conversion",
        title: "Promoters by conversion, surest first".into(),
        caption,
        axes: ("share of reached people who attended (95 % interval)".into(), String::new()),
        marks: Marks::Forest {
            rows: rows.iter().take(ROWS).map(estimate).collect(),
            // Of one promoter the common rate is their own.
            reference: (rows.len() > 1).then_some(pooled),
        },
    })
}

fn table(graph: &BusinessGraph, rows: &[Row]) -> Result<Table, StudyError> {
    let count = |name: &str, pick: fn(&Counts) -> u64| {
        Column::new(name.into(), rows.iter().map(|row| pick(row.counts) as i64).collect::<Vec<_>>())
    };
    let number = |name: &str, pick: fn(&Row) -> f64| {
        Column::new(name.into(), rows.iter().map(pick).collect::<Vec<_>>())
    };
    let medians: Vec<Option<f64>> = rows.iter().map(|row| row.counts.median_seconds()).collect();
    Table::new(
        "promoters",
        "Promoters by conversion",
        vec![
            uids("uid", graph, rows.iter().map(|row| row.promoter)),
            Column::new("name".into(), rows.iter().map(|row| graph.name(row.promoter)).collect::<Vec<_>>()),
            count("reached", |c| c.reached),
            count("converted", |c| c.converted),
            number("rate", |row| row.rate),
            number("rate_low", |row| row.low),
            number("rate_high", |row| row.high),
            number("rate_shrunk", |row| row.shrunk),
            Column::new("median_time_to_convert_s".into(), medians),
        ],
    )
}

fn distinct(pairs: &[(u32, u32)]) -> u64 {
    let mut events: Vec<u32> = pairs.iter().map(|&(_, event)| event).collect();
    events.sort_unstable();
    events.dedup();
    events.len() as u64
}

/// Which events have begun.
struct Begun {
    /// By node; events without a start and nodes that are no events count as begun.
    ahead: Vec<bool>,
    undated: u64,
}

impl Begun {
    fn of(graph: &BusinessGraph, clock: Option<i64>) -> Result<Self, StudyError> {
        let label = Label::Event.name();
        let starts = match graph.property(label, "starts_at") {
            Some(column) => {
                let moments = DataType::Datetime(TimeUnit::Microseconds, None);
                let column = column.cast(&moments).map_err(StudyError::table(label))?;
                let starts = column.datetime().map_err(StudyError::table(label))?;
                starts.physical().iter().collect()
            }
            None => vec![],
        };
        let mut begun = Self { ahead: vec![false; graph.node_count()], undated: 0 };
        for event in graph.nodes_with(label).into_iter().filter(|&v| graph.label(v) == label) {
            match (starts.get(graph.row(event)).copied().flatten(), clock) {
                (Some(start), Some(clock)) => begun.ahead[event.index()] = start > clock,
                (Some(_), None) => {}
                (None, _) => begun.undated += 1,
            }
        }
        Ok(begun)
    }

    /// Doors open before the start, and a start may be wrong: where people came, it has begun.
    fn attended(&mut self, attendances: &[Touch]) {
        for touch in attendances {
            self.ahead[touch.event as usize] = false;
        }
    }

    fn is_begun(&self, event: u32) -> bool {
        !self.ahead[event as usize]
    }
}

/// The touches of one relation up to the clock, devices resolved.
fn touches(
    graph: &BusinessGraph,
    relation: Relation,
    device_of: &BTreeMap<u32, u32>,
    clock: Option<i64>,
) -> Vec<Touch> {
    let Some(table) = graph.edges(relation.name()) else { return vec![] };
    let times = table.timestamps();
    let touch = |(who, row): (u32, usize)| Touch {
        event: table.dst[row],
        person: *device_of.get(&who).unwrap_or(&who),
        at: times.as_ref().and_then(|times| times[row]),
    };
    let known = |touch: &Touch| touch.at.zip(clock).is_none_or(|(at, clock)| at <= clock);
    table.src.iter().zip(0..).map(touch).filter(known).collect()
}
