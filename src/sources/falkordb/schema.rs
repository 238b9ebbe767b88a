//! Indexes and constraints of the business graph: made where missing, waited for, reported.
//!
//! The server answers `PENDING` to a new constraint and decides later, so its state is polled: `FAILED` means that the
//! graph holds what the constraint forbids, and then the offenders are looked up and named.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::cypher::identifier;
use super::{Client, CypherValue, FalkorError, Params, Reply, turn};
use crate::context::{Context, Step};
use crate::ontology::{Constraint, Index, constraints, indexes};

/// How long an index or constraint may take to be built.
const PATIENCE: Duration = Duration::from_mins(10);
const LONGEST_NAP: Duration = Duration::from_millis(250);

/// How many offenders an error names.
const EXAMPLES: usize = 3;

/// What a piece of the schema is up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is not there.
    Missing,
    /// It holds.
    Operational,
    /// The graph holds what it forbids.
    Failed,
    /// It is being built; the server's own words.
    Pending(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Operational => "operational",
            Self::Failed => "failed",
            Self::Pending(said) => said,
        })
    }
}

/// A piece of the schema and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// In words, for example `unique Person.uid`.
    pub what: String,
    /// Its state.
    pub state: State,
}

/// The state of every index and constraint the business graph should have, in the order they are made.
///
/// Reads only; a graph that is not there is [`FalkorError::NoGraph`].
pub async fn state(client: &mut Client, graph: &str) -> Result<Vec<Piece>, FalkorError> {
    let there = Existing::read(client, graph).await?;
    Ok(wanted().map(|piece| Piece { what: piece.to_string(), state: there.state(piece) }).collect())
}

/// [`state`], once nothing is being built any more, or `patience` is over.
///
/// A server that was just started builds all indexes anew.
pub async fn settled(
    client: &mut Client,
    graph: &str,
    patience: Duration,
    cx: &Context,
) -> Result<Vec<Piece>, FalkorError> {
    let (started, mut waiting) = (Instant::now(), None);
    loop {
        let pieces = state(client, graph).await?;
        let open = pieces.iter().filter(|piece| matches!(piece.state, State::Pending(_))).count();
        if open == 0 || started.elapsed() >= patience {
            return Ok(pieces);
        }
        let step = waiting.get_or_insert_with(|| {
            cx.step("waiting for indexes and constraints under construction", Some(pieces.len() as u64))
        });
        step.tick((pieces.len() - open) as u64, None)?;
        tokio::time::sleep(LONGEST_NAP).await;
    }
}

/// Makes what is missing, one after the other, until everything is operational; makes the graph where it is not there.
///
/// Doing it again changes nothing. A constraint that cannot hold is [`FalkorError::Constraint`] with the offenders.
pub async fn ensure(client: &mut Client, graph: &str, cx: &Context) -> Result<(), FalkorError> {
    let there = match Existing::read(client, graph).await {
        Err(FalkorError::NoGraph { .. }) => Existing::default(),
        other => other?,
    };
    let step = cx.step("indexes and constraints", Some(wanted().count() as u64));
    for (done, piece) in (0..).zip(wanted()) {
        step.tick(done, None)?;
        let state = match there.state(piece) {
            State::Operational => continue,
            // Of a run that broke off, or of a server that was just started.
            State::Pending(_) => wait(client, graph, piece, &step, done).await?,
            State::Missing | State::Failed => {
                turn::alone(client, async |client| {
                    piece.make(client, graph).await?;
                    wait(client, graph, piece, &step, done).await
                })
                .await?
            }
        };
        if let (State::Failed, Wanted::Constraint(constraint)) = (state, piece) {
            return Err(FalkorError::Constraint {
                constraint: piece.to_string(),
                graph: graph.to_owned(),
                examples: offenders(client, graph, constraint).await?,
            });
        }
    }
    Ok(())
}

/// Polls until `piece` is neither missing nor pending.
async fn wait(
    client: &mut Client,
    graph: &str,
    piece: Wanted,
    step: &Step,
    done: u64,
) -> Result<State, FalkorError> {
    let (started, mut nap) = (Instant::now(), Duration::from_millis(1));
    loop {
        let state = Existing::read(client, graph).await?.state(piece);
        if matches!(state, State::Operational | State::Failed) {
            return Ok(state);
        }
        if started.elapsed() > PATIENCE {
            return Err(FalkorError::Pending {
                what: piece.to_string(),
                graph: graph.to_owned(),
                status: state.to_string(),
                seconds: PATIENCE.as_secs(),
            });
        }
        step.tick(done, None)?;
        tokio::time::sleep(nap).await;
        nap = (nap * 2).min(LONGEST_NAP);
    }
}

/// An index or a constraint the business graph should have.
#[derive(Clone, Copy)]
enum Wanted {
    Index(Index),
    Constraint(Constraint),
}

/// In the order they are made: a constraint needs its index.
fn wanted() -> impl Iterator<Item = Wanted> {
    indexes().into_iter().map(Wanted::Index).chain(constraints().into_iter().map(Wanted::Constraint))
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Index(Index::Node(label, property)) => write!(f, "index {label}.{property}"),
            Self::Index(Index::Edge(relation, property)) => write!(f, "index {relation}.{property}"),
            Self::Constraint(constraint) => {
                let (kind, _, name, property) = parts(constraint);
                write!(f, "{} {name}.{property}", kind.to_lowercase())
            }
        }
    }
}

impl Wanted {
    /// Asks for it; the server answers before it is there. That somebody else was faster is no error.
    async fn make(self, client: &mut Client, graph: &str) -> Result<(), FalkorError> {
        let (made, known) = match self {
            Self::Index(index) => {
                let query = create_index(index)?;
                (client.query(graph, &query, &Params::new()).await.map(drop), "already indexed")
            }
            Self::Constraint(constraint) => {
                let (kind, entity, name, property) = parts(constraint);
                let argv =
                    ["GRAPH.CONSTRAINT", "CREATE", graph, kind, entity, name, "PROPERTIES", "1", property];
                (client.command(&argv, Some(graph)).await.map(drop), "already exists")
            }
        };
        match made {
            Err(FalkorError::Query { message, .. }) if message.contains(known) => Ok(()),
            made => made,
        }
    }
}

/// What the server says is there: (`NODE` or `RELATIONSHIP`, label or relation, property) → state.
#[derive(Default)]
struct Existing {
    indexes: HashMap<Place, State>,
    /// By kind, `UNIQUE` or `MANDATORY`, too.
    constraints: HashMap<(String, Place), State>,
}

type Place = (&'static str, String, String);

const NODE: &str = "NODE";
const EDGE: &str = "RELATIONSHIP";

impl Existing {
    async fn read(client: &mut Client, graph: &str) -> Result<Self, FalkorError> {
        let mut there = Self::default();
        let query = "CALL db.indexes() YIELD label, properties, types, entitytype, status \
                     RETURN label, properties, types, entitytype, status";
        for row in &client.ro_query(graph, query, &Params::new()).await?.rows {
            let [label, properties, types, entity, status] = row.as_slice() else { continue };
            for property in texts(properties) {
                // Full-text and vector indexes support no constraint.
                if let CypherValue::Map(types) = types
                    && types
                        .iter()
                        .any(|(name, kinds)| *name == property && texts(kinds).contains(&"RANGE".into()))
                {
                    there.indexes.insert(place(entity, label, property), State::read(status));
                }
            }
        }
        let query = "CALL db.constraints() YIELD type, label, properties, entitytype, status \
                     RETURN type, label, properties, entitytype, status";
        for row in &client.ro_query(graph, query, &Params::new()).await?.rows {
            let [kind, label, properties, entity, status] = row.as_slice() else { continue };
            // One over several properties is none of ours.
            if let [property] = texts(properties).as_slice() {
                let kind = kind.as_text().unwrap_or_default().to_owned();
                there.constraints.insert((kind, place(entity, label, property.clone())), State::read(status));
            }
        }
        Ok(there)
    }

    fn state(&self, piece: Wanted) -> State {
        let found = match piece {
            Wanted::Index(Index::Node(label, property)) => {
                self.indexes.get(&(NODE, label.name().to_owned(), property.to_owned()))
            }
            Wanted::Index(Index::Edge(relation, property)) => {
                self.indexes.get(&(EDGE, relation.name().to_owned(), property.to_owned()))
            }
            Wanted::Constraint(constraint) => {
                let (kind, entity, name, property) = parts(constraint);
                self.constraints.get(&(kind.to_owned(), (entity, name.to_owned(), property.to_owned())))
            }
        };
        found.cloned().unwrap_or(State::Missing)
    }
}

fn place(entity: &CypherValue, label: &CypherValue, property: String) -> Place {
    let entity = if entity.as_text() == Some(NODE) { NODE } else { EDGE };
    (entity, label.as_text().unwrap_or_default().to_owned(), property)
}

fn texts(value: &CypherValue) -> Vec<String> {
    match value {
        CypherValue::List(items) => items.iter().filter_map(|i| i.as_text().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

impl State {
    fn read(status: &CypherValue) -> Self {
        match status.as_text().unwrap_or_default() {
            "OPERATIONAL" => Self::Operational,
            "FAILED" => Self::Failed,
            other => Self::Pending(other.to_lowercase()),
        }
    }
}

/// Kind, entity, label or relation, property: as the server names them.
fn parts(constraint: Constraint) -> (&'static str, &'static str, &'static str, &'static str) {
    match constraint {
        Constraint::UniqueNode(label, property) => ("UNIQUE", NODE, label.name(), property),
        Constraint::MandatoryNode(label, property) => ("MANDATORY", NODE, label.name(), property),
        Constraint::UniqueEdge(relation, property) => ("UNIQUE", EDGE, relation.name(), property),
    }
}

fn create_index(index: Index) -> Result<String, FalkorError> {
    Ok(match index {
        Index::Node(label, property) => {
            format!("CREATE INDEX FOR (x:{}) ON (x.{})", identifier(label.name())?, identifier(property)?)
        }
        Index::Edge(relation, property) => {
            format!(
                "CREATE INDEX FOR ()-[x:{}]-() ON (x.{})",
                identifier(relation.name())?,
                identifier(property)?
            )
        }
    })
}

/// The first few things that break a constraint, in words.
async fn offenders(client: &mut Client, graph: &str, constraint: Constraint) -> Result<String, FalkorError> {
    let (_, _, name, property) = parts(constraint);
    let (name, property) = (identifier(name)?, identifier(property)?);
    let query = match constraint {
        Constraint::MandatoryNode(..) => format!(
            "MATCH (x:{name}) WHERE x.{property} IS NULL RETURN id(x), x.name ORDER BY id(x) LIMIT {EXAMPLES}"
        ),
        Constraint::UniqueNode(..) => format!(
            "MATCH (x:{name}) WHERE x.{property} IS NOT NULL WITH x.{property} AS held, collect(x.uid) AS by, \
             count(x) AS n WHERE n > 1 RETURN held, by, n ORDER BY held LIMIT {EXAMPLES}"
        ),
        Constraint::UniqueEdge(..) => format!(
            "MATCH (a)-[x:{name}]->(b) WHERE x.{property} IS NOT NULL WITH x.{property} AS held, \
             collect(a.uid + ' → ' + b.uid) AS by, count(x) AS n WHERE n > 1 \
             RETURN held, by, n ORDER BY held LIMIT {EXAMPLES}"
        ),
    };
    let reply = client.ro_query(graph, &query, &Params::new()).await?;
    Ok(in_words(&reply))
}

fn in_words(reply: &Reply) -> String {
    let lines = reply.rows.iter().map(|row| match row.as_slice() {
        [held, by, n] => {
            let by = texts(by);
            let more = if by.len() > EXAMPLES { ", …" } else { "" };
            let by = by.iter().take(EXAMPLES).map(|uid| format!("`{uid}`")).collect::<Vec<_>>().join(", ");
            format!("{} is held by {} ({by}{more})", word(held), n.as_int().unwrap_or_default())
        }
        [id, name] => format!("node {} named {} has none", word(id), word(name)),
        _ => String::new(),
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { "the offenders are gone by now".to_owned() } else { lines.join("; ") }
}

fn word(value: &CypherValue) -> String {
    match value {
        CypherValue::Text(text) => format!("`{text}`"),
        CypherValue::Int(n) => n.to_string(),
        CypherValue::Float(x) => x.to_string(),
        CypherValue::Null => "nothing".to_owned(),
        other => format!("{other:?}"),
    }
}
