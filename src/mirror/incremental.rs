//! Reading only what may have changed, such that the plan is the one a full reading would give.
//!
//! Everything small is read whole, and identity is decided over all of it, once. The many touches, each of which is one edge
//! named by its message, stay where they are, in the sources and in the graph, as long as whoever made them is unmoved:
//! none of their rows was written since, they and the events stand for the same source rows as before, and they touched
//! exactly as often as edges begin at them. Then every touch there is now was one at the last run, and none that was is gone.
//! Of everybody else all touches and edges are read, and of everybody those at events that had none: they become edges
//! where the event came, and are noted where it did not.

use serde::Serialize;

use super::current::{Counts, Current, property, read_graph, read_graph_counting, refs};
use super::footing::Footing;
use super::keys::NodeKey;
use super::resolve::{ResolveOptions, Resolving, begin, resolve};
use super::resolved::Resolved;
use super::{Kept, MirrorError, kept_uids};
use crate::context::Context;
use crate::ontology::{Label, SourceRef};
use crate::sources::facts::{Facts, TableRead};
use crate::sources::falkordb::Client;
use crate::sources::postgres::position::{Position, Since};
use crate::sources::postgres::touchpoints::{Actor, Tally, user_ref};
use crate::sources::rows::TouchRow;
use crate::sources::spool::{Place, Spool, SpoolError};
use crate::sources::{Databases, Left, SourceOptions, read_facts_since};

/// So many touches are read for themselves whatever share they are of all.
const FEW: u64 = 10_000;

/// What was read of both sides.
#[derive(Debug)]
pub struct Read {
    /// The facts, but for touches that stay as they are.
    pub facts: Facts,
    /// What of the sources the facts rest on.
    pub footing: Footing,
    /// What they claim, without those touches.
    pub resolved: Resolved,
    /// The graph, without the edges of those touches.
    pub current: Current,
    /// Where the next reading may go on; why it cannot, where that is so.
    pub position: Result<Position, String>,
    /// How much was read, where less than everything was asked for.
    pub extent: Option<Extent>,
}

/// How much was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Why everything was read; `None` where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Touches that were read: of those of whom anything may have changed, and those at events that are not there.
    pub read: u64,
    /// Touches that are as they were, and were not read.
    pub skipped: u64,
    /// Touches of which no stamp says when they were loaded; they were read.
    pub unstamped: u64,
}

/// What somebody did, as far as it counts here.
#[derive(Debug)]
struct Deeds {
    /// Where the key lies that names them to the source.
    key: Place,
    /// The schema that tells of it.
    schema: u8,
    /// Where their edges begin, by relation: positions in the graph; `None` where that is not there.
    begin: [Option<u32>; 2],
    edges: Counts,
    /// Whether their touches have to be read.
    moved: bool,
}

/// Who is as they were.
#[derive(Debug, Default)]
struct Movement {
    all: Vec<Deeds>,
    keys: Spool<String>,
    /// By position in the graph: whether edges that begin there have to be read.
    moved: Vec<bool>,
    others: u64,
    unstamped: u64,
    nameless: bool,
    unkept: Option<SpoolError>,
}

/// What is asked about whoever touched something.
struct Asked<'a> {
    resolving: &'a Resolving<'a>,
    current: &'a Current,
    kept: &'a Kept,
    schemas: &'a [String],
}

impl Asked<'_> {
    fn position(&self, key: NodeKey) -> Option<u32> {
        self.current.find(key.kind(), key.name)
    }

    /// Where the edges of somebody of a schema begin, and whether what they did before began there as well.
    fn begin(&self, schema: u8, actor: Actor<'_>) -> ([Option<u32>; 2], bool) {
        let remembered = |schema: &String, user: &str| self.kept.place(&user_ref(schema, user).to_string());
        match actor {
            Actor::User(user) => {
                let at = self.resolving.user(user).and_then(|key| self.position(key));
                let place = at.map(|at| self.current.keys[at as usize].place());
                ([at; 2], at.is_some() && place == remembered(&self.schemas[usize::from(schema)], user))
            }
            // The id may have been a user's.
            Actor::Device(device) => {
                let begin = self.resolving.device(device).map(|key| self.position(key?));
                (begin, self.schemas.iter().all(|schema| remembered(schema, device).is_none()))
            }
        }
    }

    /// The keys of events that stand for the same thing as before.
    fn events(&self, table: &str) -> Result<Vec<String>, MirrorError> {
        let of_table = SourceRef::new("directus", table, "").to_string();
        let of_table = of_table.trim_end_matches(|c| c != ':');
        let mut events = Vec::new();
        for at in self.current.nodes_of(Label::Event) {
            let row = self.current.node(at)?;
            if property(&row.properties, "deleted_at").is_some() {
                continue;
            }
            let stands = |reference: &&String| {
                self.resolving.row(reference).and_then(|key| self.position(key)) == Some(at)
            };
            let keys = refs(&row.properties).iter().filter(stands);
            events.extend(keys.filter_map(|reference| reference.strip_prefix(of_table)).map(str::to_owned));
        }
        Ok(events)
    }
}

impl Movement {
    fn see(&mut self, tally: Tally<'_>, asked: &Asked<'_>) {
        let (begin, as_before) = asked.begin(tally.schema, tally.actor);
        let [interest, attended] = tally.edges;
        let device_of_other = matches!(tally.actor, Actor::Device(_))
            && attended > 0
            && begin[0].and_then(|device| asked.current.owner(device)) != begin[1];
        let nowhere = |nth: usize| tally.edges[nth] > 0 && begin[nth].is_none();
        let moved = tally.is_written || !as_before || device_of_other || nowhere(0) || nowhere(1);
        match self.keys.push(&tally.key.to_owned()) {
            Ok(key) => {
                let (schema, edges) = (tally.schema, [interest as u32, attended as u32]);
                self.all.push(Deeds { key, schema, begin, edges, moved });
            }
            Err(error) => self.unkept = Some(error),
        }
        self.others += tally.others;
        self.unstamped += tally.unstamped;
        self.nameless |= tally.nameless > 0;
    }

    /// Of messages that were loaded more than once the touches were read already.
    fn doubled(&mut self, facts: &Facts, asked: &Asked<'_>) -> Result<(), SpoolError> {
        for touch in &facts.touches {
            let TouchRow { user_id, anonymous_id, touch, schema, .. } = touch?;
            if !touch.is_of_many() {
                continue;
            }
            let actors = user_id.as_deref().map(Actor::User).into_iter();
            for actor in actors.chain(anonymous_id.as_deref().map(Actor::Device)) {
                let (begin, _) = asked.begin(schema, actor);
                begin.into_iter().flatten().for_each(|at| self.moved[at as usize] = true);
            }
        }
        Ok(())
    }

    /// Finds out who moved: who did so by themselves, and everybody whose edges begin where theirs do.
    fn spread(&mut self, counts: &[Counts]) {
        let mut expected = vec![Counts::default(); self.moved.len()];
        for deeds in &self.all {
            for (nth, at) in deeds.begin.into_iter().enumerate() {
                if let Some(at) = at {
                    expected[at as usize][nth] += deeds.edges[nth];
                }
            }
        }
        for (at, expected) in expected.iter().enumerate() {
            self.moved[at] |= *expected != counts.get(at).copied().unwrap_or_default();
        }
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for deeds in &mut self.all {
                let begin = deeds.begin.into_iter().zip(deeds.edges).filter(|(_, edges)| *edges > 0);
                let begin = begin.filter_map(|(at, _)| at.map(|at| at as usize));
                deeds.moved |= begin.clone().any(|at| self.moved[at]);
                for at in begin.filter(|_| deeds.moved) {
                    goes_on |= !std::mem::replace(&mut self.moved[at], true);
                }
            }
        }
    }

    /// How many touches are read, and how many stay.
    fn extent(&self) -> Extent {
        let mut extent = Extent { read: self.others, unstamped: self.unstamped, ..Extent::default() };
        for deeds in &self.all {
            let edges: u64 = deeds.edges.iter().map(|edges| u64::from(*edges)).sum();
            *(if deeds.moved { &mut extent.read } else { &mut extent.skipped }) += edges;
        }
        extent
    }

    /// What names those who moved to each of so many schemas.
    fn keys(&self, schemas: usize) -> Result<Vec<Vec<String>>, SpoolError> {
        let mut keys = vec![Vec::new(); schemas];
        for deeds in self.all.iter().filter(|deeds| deeds.moved) {
            keys[usize::from(deeds.schema)].push(self.keys.get(deeds.key)?);
        }
        Ok(keys)
    }
}

/// Reads the graph and the sources for a plan, and decides who is who: everything, or what changed `since` then; everything,
/// too, where it is not known since when, or where too much changed.
///
/// # Errors
/// When the graph or a source cannot be read, or the sources cannot be resolved.
pub async fn read_since(
    (client, graph): (&mut Client, &str),
    databases: &Databases,
    sources: &SourceOptions,
    resolving: &ResolveOptions,
    since: Option<Result<Since, String>>,
    cx: &Context,
) -> Result<Read, MirrorError> {
    let is_asked = since.is_some();
    let (since, unknown) = match since {
        None => (None, None),
        // A row that could not be taken cannot be told from one that is as it was.
        Some(Ok(_)) if sources.skip_bad_rows => (None, Some("rows may be skipped".to_owned())),
        Some(Ok(since)) => (Some(since), None),
        Some(Err(reason)) => (None, Some(reason)),
    };
    let mut current = match since {
        Some(_) => read_graph_counting(client, graph, cx).await?,
        None => read_graph(client, graph, cx).await?,
    };
    let options = ResolveOptions { kept: kept_uids(&current)?, ..resolving.clone() };
    let mut reading = read_facts_since(databases, sources, since.as_ref(), cx).await?;
    let mut extent = Extent { whole: unknown.or(reading.whole.take()), ..Extent::default() };
    let mut resolved = None;
    if let Some(left) = reading.left.take() {
        let part = Part { client: &mut *client, graph, sources, options: &options };
        match part.read(&reading.facts, left, &mut current, cx).await? {
            Ok((read, graph, reads)) => {
                (extent, resolved) = (read, Some(graph));
                for read in reads {
                    TableRead::add(&mut reading.facts.read, read);
                }
            }
            Err(reason) => {
                extent.whole = Some(reason);
                reading = read_facts_since(databases, sources, None, cx).await?;
            }
        }
    }
    current.read_left(client, graph, |_| true, cx).await?;
    let resolved = match resolved {
        Some(resolved) => resolved,
        None => resolve(&reading.facts, &options)?,
    };
    let position = match reading.position {
        Ok(_) if sources.skip_bad_rows => Err("rows may have been skipped".to_owned()),
        position => position,
    };
    let extent = is_asked.then_some(extent);
    let footing = Footing::of(&reading.asked).with_rows(&reading.rows);
    Ok(Read { facts: reading.facts, footing, resolved, current, position, extent })
}

/// A reading of what may have changed.
struct Part<'a> {
    client: &'a mut Client,
    graph: &'a str,
    sources: &'a SourceOptions,
    options: &'a ResolveOptions,
}

/// How much was read, what the sources claim, and the rows that were read for it.
type Parted = (Extent, Resolved, Vec<TableRead>);

impl Part<'_> {
    /// Reads of the touches that were left, and of the edges that were only counted, those of whoever moved; why everything is
    /// to be read, where that is so.
    async fn read(
        self,
        facts: &Facts,
        mut left: Left,
        current: &mut Current,
        cx: &Context,
    ) -> Result<Result<Parted, String>, MirrorError> {
        let Self { client, graph, sources, options } = self;
        let mut resolving = begin(facts, options)?;
        let asked =
            Asked { resolving: &resolving, current, kept: &options.kept, schemas: &facts.touch_schemas };
        let events = asked.events(&facts.events_table)?;
        let mut movement = Movement { moved: vec![false; current.node_count()], ..Movement::default() };
        if left.has_doubled() {
            movement.doubled(facts, &asked)?;
        }
        left.tallies(sources, &events, &mut |tally| movement.see(tally, &asked), cx).await?;
        if let Some(error) = movement.unkept {
            return Err(error.into());
        }
        if movement.nameless {
            return Ok(Err("touches have no id".to_owned()));
        }
        movement.spread(current.counts());
        let extent = movement.extent();
        if extent.read > FEW && extent.read > extent.skipped {
            let all = extent.read + extent.skipped;
            return Ok(Err(format!("{} of {all} touches may have changed", extent.read)));
        }
        let keys = movement.keys(facts.touch_schemas.len())?;
        current.read_left(client, graph, |at| movement.moved[at as usize], cx).await?;
        drop(movement);
        let mut touches = Spool::default();
        let reads = left.moved(sources, (&keys, &events), &mut touches, cx).await?;
        resolving.add(&touches)?;
        Ok(Ok((extent, resolving.finish()?, reads)))
    }
}
