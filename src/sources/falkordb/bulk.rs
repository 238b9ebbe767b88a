//! All pages of a graph over a line of their own, into columns; a page whose answer was cut off is read again.
//!
//! A page of nodes is a range of ids. A page of edges is a range of ids of their sources and so many edges at most,
//! because a hub may lie ahead; what a hub has is cut further by the ids of its targets.
//!
//! A page is asked for while the one before is under way, so that the server does not wait for us. It still works at one page
//! at a time: of a client it hears the next command when it has answered the one before.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::entities::{EdgeReader, End, NodeReader, Reader, Unread};
use super::line::{Line, Place, is_cancelled};
use super::pace::{Pace, READ_MS};
use super::pages::WIDEST_PAGE;
use super::reply::{self, Names};
use super::scan::Nameless;
use super::wire::WireError;
use super::{FalkorError, cypher};
use crate::context::{Context, Step};
use crate::snapshot::tables::gather::Gathering;

const FIRST_PAGE: u64 = 64;

/// Edges of a page while nobody knows yet how long one takes, and how many there are at least and at most.
const FIRST_EDGES: u64 = 1_000;
const FEWEST_EDGES: u64 = 250;
const MOST_EDGES: u64 = 1 << 17;

/// As many edges as there are: from 2^63 on, the server takes a limit for none at all and answers nothing.
const NO_LIMIT: u64 = i32::MAX as u64;

/// How much more than expected a page of edges may hold before it is cut.
const SLACK: f64 = 1.5;

/// How often a page is tried again on a new line, and how long is waited before the first time; twice as long each time.
pub(super) const RETRIES: u32 = 5;
pub(super) const PAUSE: Duration = Duration::from_millis(100);

const NODES: &str = "MATCH (n) WHERE id(n) >= $from AND id(n) < $to RETURN n";

/// Ways to the edges of a relation, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Of sources in a range.
    Sources,
    /// Of a hub to targets in a range, walking over those before.
    Walk,
    /// Of a hub, asked of every target in a range by itself: slower by all nodes that are none, and never long.
    Seek,
}

impl Way {
    /// Naming `e` in the answer is what keeps parallel edges apart.
    fn query(self, relation: &str) -> String {
        let which = match self {
            Self::Sources => format!("MATCH (a)-[e:{relation}]->() WHERE id(a) >= $from AND id(a) < $to"),
            // `WITH` keeps the planner from beginning at the other end.
            Self::Walk => format!(
                "MATCH (a)-[e:{relation}]->(b) WHERE id(a) = $hub WITH e, b WHERE id(b) >= $from AND id(b) < $to"
            ),
            Self::Seek => format!(
                "MATCH (a) WHERE id(a) = $hub WITH a MATCH (b) WHERE id(b) >= $from AND id(b) < $to \
                 WITH a, b MATCH (a)-[e:{relation}]->(b)"
            ),
        };
        which + " RETURN e LIMIT $most"
    }

    fn end(self) -> End {
        if self == Self::Sources { End::Source } else { End::Target }
    }
}

/// Edges of sources in a range, and how many of them at most.
#[derive(Debug, Clone)]
struct Part {
    ids: Range<u64>,
    most: u64,
}

/// How far a page came.
enum Reached {
    /// All below this id was read.
    Below(u64),
    /// The range has more than a page, and not in order.
    Narrower,
    /// The first id of the range alone has more than a page.
    Hub,
}

/// A graph while it is read.
pub(super) struct Bulk {
    place: Place,
    cx: Context,
    graph: String,
    names: Arc<Names>,
    /// An id above every node's.
    bound: u64,
    line: Option<Line>,
    pub(super) gathering: Gathering,
    pub(super) pages: u64,
    /// Server time of the longest page, in milliseconds.
    pub(super) longest_ms: f64,
    edges_per_ms: Option<f64>,
}

impl Bulk {
    pub(super) fn new(place: Place, graph: &str, names: Arc<Names>, bound: u64, cx: &Context) -> Self {
        Self {
            place,
            cx: cx.clone(),
            graph: graph.to_owned(),
            names,
            bound,
            line: None,
            gathering: Gathering::default(),
            pages: 0,
            longest_ms: 0.0,
            edges_per_ms: None,
        }
    }

    /// Reads all nodes: how many have a uid, and those that have none.
    pub(super) fn nodes(&mut self, step: &Step, expected: u64) -> Result<(u64, Nameless), FalkorError> {
        let (mut reader, mut nodes, mut nameless) = (NodeReader::default(), 0, (0, None));
        let query = |ids: &Range<u64>| format!("CYPHER from={} to={} {NODES}", ids.start, ids.end);
        let mut pace = Pace::new(READ_MS, FIRST_PAGE, WIDEST_PAGE);
        let mut ids = self.ids(0, pace);
        while !ids.is_empty() {
            step.tick(nodes, Some(expected))?;
            let next = self.ids(ids.end, pace);
            let ahead = (!next.is_empty()).then(|| query(&next));
            reader.begin(ids.clone(), &self.gathering);
            let (page, took) = self.page(&query(&ids), ahead.as_deref(), &mut reader)?;
            nodes += page.nodes;
            nameless = (nameless.0 + page.nameless.0, nameless.1.or(page.nameless.1));
            pace.took(ids.end - ids.start, took);
            ids = next;
        }
        Ok((nodes, nameless))
    }

    /// Reads all edges of a relation: how many there were, and how many of them end at no node that was read.
    pub(super) fn edges(
        &mut self,
        relation: &str,
        step: &Step,
        expected: u64,
    ) -> Result<(u64, u64), FalkorError> {
        let quoted = cypher::identifier(relation)?;
        let query = Way::Sources.query(&quoted);
        let mut reader = EdgeReader::of(self.gathering.relation(relation));
        let (mut from, mut pace) = (0, Pace::new(READ_MS, FIRST_PAGE, WIDEST_PAGE));
        // What is asked ahead is asked in vain where the page before does not come to its end; so never twice in a row.
        let (mut ahead, mut whole) = (None, true);
        while from < self.bound {
            step.tick(reader.seen, Some(expected))?;
            let part = ahead.take().unwrap_or_else(|| self.part(from, pace));
            let next = (whole && part.ids.end < self.bound).then(|| self.part(part.ids.end, pace));
            let (reached, took) =
                self.edge_page(&query, (Way::Sources, 0), &part, next.as_ref(), &mut reader)?;
            whole = matches!(reached, Reached::Below(to) if to == part.ids.end);
            match reached {
                Reached::Below(to) => {
                    pace.took(to - from, took);
                    from = to;
                }
                Reached::Narrower => pace.narrow(),
                Reached::Hub => {
                    self.hub(&quoted, from, step, expected, &mut reader)?;
                    from += 1;
                }
            }
            ahead = next.filter(|_| whole);
        }
        Ok((reader.seen, reader.lost))
    }

    /// Reads the edges of a source that has more of them than a page.
    fn hub(
        &mut self,
        relation: &str,
        hub: u64,
        step: &Step,
        expected: u64,
        reader: &mut EdgeReader,
    ) -> Result<(), FalkorError> {
        let (mut from, mut way, mut pace) = (0, Way::Walk, Pace::new(READ_MS, FIRST_PAGE, WIDEST_PAGE));
        let mut most = self.most();
        while from < self.bound {
            step.tick(reader.seen, Some(expected))?;
            let ids = if way == Way::Walk { from..self.bound } else { self.ids(from, pace) };
            let part = Part { ids, most };
            match self.edge_page(&way.query(relation), (way, hub), &part, None, reader)? {
                (Reached::Below(to), took) => {
                    pace.took(to - from, took);
                    // A walk grows with what lies before; a seek does not.
                    if way == Way::Walk && took > 2.0 * READ_MS {
                        (way, pace) = (Way::Seek, Pace::new(READ_MS, FIRST_PAGE, WIDEST_PAGE));
                    }
                    (from, most) = (to, self.most());
                }
                (Reached::Narrower, _) => {
                    way = Way::Seek;
                    pace.narrow();
                }
                // So many between one pair cannot be cut further.
                (Reached::Hub, _) => {
                    (way, most) = (Way::Seek, NO_LIMIT);
                    pace = Pace::new(READ_MS, 1, WIDEST_PAGE);
                }
            }
        }
        Ok(())
    }

    fn edge_page(
        &mut self,
        query: &str,
        (way, hub): (Way, u64),
        part: &Part,
        ahead: Option<&Part>,
        reader: &mut EdgeReader,
    ) -> Result<(Reached, f64), FalkorError> {
        let query = |Part { ids, most }: &Part| {
            format!("CYPHER hub={hub} from={} to={} most={most} {query}", ids.start, ids.end)
        };
        let Part { ids, most } = part;
        reader.begin(way.end(), ids.clone());
        let ahead = ahead.map(query);
        let (page, took) = self.page(&query(part), ahead.as_deref(), reader)?;
        if page.edges >= FEWEST_EDGES / 2 {
            let now = page.edges as f64 / took.max(0.01);
            self.edges_per_ms = Some(self.edges_per_ms.map_or(now, |known| 0.7 * known + 0.3 * now));
        }
        let (last, mark) = page.last;
        let reached = if page.edges < *most {
            Reached::Below(ids.end)
        } else if page.ordered && last > ids.start {
            reader.cut(Some(mark), &mut self.gathering);
            Reached::Below(last)
        } else {
            reader.cut(None, &mut self.gathering);
            if page.ordered || ids.end - ids.start == 1 { Reached::Hub } else { Reached::Narrower }
        };
        reader.keep(&mut self.gathering);
        Ok((reached, took))
    }

    /// Edges that a page may hold.
    fn most(&self) -> u64 {
        let known = self.edges_per_ms.map(|rate| (rate * READ_MS * SLACK) as u64);
        known.map_or(FIRST_EDGES, |most| most.clamp(FEWEST_EDGES, MOST_EDGES))
    }

    fn ids(&self, from: u64, pace: Pace) -> Range<u64> {
        from..from.saturating_add(pace.width()).min(self.bound)
    }

    fn part(&self, from: u64, pace: Pace) -> Part {
        Part { ids: self.ids(from, pace), most: self.most() }
    }

    /// Runs a query and reads its answer: the page, and how long the server took for it in milliseconds. The query `ahead`
    /// is asked behind it.
    fn page<P: Reader>(
        &mut self,
        query: &str,
        ahead: Option<&str>,
        reader: &mut P,
    ) -> Result<(P::Page, f64), FalkorError> {
        let (mut lost, mut renamed) = (0, false);
        loop {
            let unread = match self.attempt(query, ahead, reader) {
                Ok((page, took)) => {
                    self.pages += 1;
                    self.longest_ms = self.longest_ms.max(took);
                    return Ok((page, took));
                }
                Err(unread) => unread,
            };
            // What is left of the answer goes with the line.
            self.line = None;
            match unread {
                Unread::Name if !renamed => {
                    renamed = true;
                    reader.forget(true, &mut self.gathering);
                    self.names = Arc::new(self.names().map_err(|error| self.error(error))?);
                }
                Unread::Wire(WireError::Io(error)) if lost < RETRIES && !is_cancelled(&error) => {
                    tracing::warn!(graph = self.graph, %error, lost, "the connection ended: reading the page again");
                    reader.forget(false, &mut self.gathering);
                    self.cx.wait(PAUSE * (1 << lost))?;
                    lost += 1;
                }
                unread => return Err(self.error(unread)),
            }
        }
    }

    fn attempt<P: Reader>(
        &mut self,
        query: &str,
        ahead: Option<&str>,
        reader: &mut P,
    ) -> Result<(P::Page, f64), Unread> {
        let (line, names) = (Self::line(&mut self.line, &self.place, &self.cx)?, Arc::clone(&self.names));
        let words = |query| ["GRAPH.RO_QUERY", &self.graph, query, "--compact"];
        let (wire, waited) = line.timed(&words(query), ahead.map(words).as_ref().map(<[_; 4]>::as_slice))?;
        let (page, reported) = reader.read(wire, &names, &mut self.gathering)?;
        Ok((page, waited.max(reported)))
    }

    fn line<'l>(line: &'l mut Option<Line>, place: &Place, cx: &Context) -> Result<&'l mut Line, WireError> {
        Ok(match line {
            Some(line) => line,
            None => line.insert(Line::connect(place, cx)?),
        })
    }

    /// The names behind numbers, asked for anew.
    fn names(&mut self) -> Result<Names, Unread> {
        let mut ask = |call: &str| {
            let line = Self::line(&mut self.line, &self.place, &self.cx)?;
            let tree = line.ask(&["GRAPH.RO_QUERY", &self.graph, call, "--compact"])?.tree()?;
            let reply = reply::decode(&tree, &Names::default()).map_err(|_| Unread::Name)?;
            reply.texts().ok_or(Unread::Name)
        };
        Ok(Names {
            labels: ask("CALL db.labels()")?,
            properties: ask("CALL db.propertyKeys()")?,
            relations: ask("CALL db.relationshipTypes()")?,
        })
    }

    fn error(&self, unread: Unread) -> FalkorError {
        let doing = format!("GRAPH.RO_QUERY on graph `{}`", self.graph);
        match unread {
            Unread::Wire(error) => self.place.error(error, &self.graph, &doing),
            Unread::Name => FalkorError::Reply { doing, reason: "a name has no entry".to_owned() },
        }
    }
}
