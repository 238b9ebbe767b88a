//! Scores go to their nodes, in short guarded writes, and are read back.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::current::{self, Current};
use super::score::same;
use super::{Ledger, Plan, PlannedNode, Run, RunState, SCORE_AT, SCORE_RUN, WritebackError};
use crate::context::Context;
use crate::ontology::Value;
use crate::sources::falkordb::pace::{Pace, WRITE_MS};
use crate::sources::falkordb::{Client, FalkorError, Param, Params, cypher, lock, marker};

/// What the lock says of us.
const APPLY: &str = "writeback apply";

/// Rows per write: more of them make readers wait longer and write no faster.
const WIDEST: u64 = 1_000;
const FIRST: u64 = 250;

/// What a write-back did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Applied {
    /// The run; `None`: every score stood already, nothing was written.
    pub run: Option<String>,
    /// Nodes that hold their scores now, read back.
    pub written: u64,
    /// Scored nodes that are gone since the snapshot, whether the plan found that or the reading back.
    pub gone: u64,
    /// Scored nodes whose internal id belongs to another `uid` by now, likewise; the guard left these alone.
    pub changed_identity: u64,
    /// Whether the server had it on its disk before it was read back; else a crash of the server may take it back.
    pub on_disk: bool,
    /// Server time of the longest write, in milliseconds: how long readers may have waited.
    pub longest_write_ms: f64,
}

/// Writes what `plan` says, after the values before are in the ledger.
///
/// A run with the same scores that broke off is completed; one with other scores is
/// [`WritebackError::Unfinished`]. A graph that is not there is not made. Holds the [`lock`] of the graph; one who plans
/// for it should hold that from before the graph is read.
pub async fn apply(
    client: &mut Client,
    graph: &str,
    plan: &Plan,
    ledger: &Ledger,
    cx: &Context,
) -> Result<Applied, WritebackError> {
    lock::holding(client, graph, APPLY, lock::TTL, cx, async |client| {
        begin(client, graph, plan, ledger, cx).await
    })
    .await
}

async fn begin(
    client: &mut Client,
    graph: &str,
    plan: &Plan,
    ledger: &Ledger,
    cx: &Context,
) -> Result<Applied, WritebackError> {
    if !client.exists(graph).await? {
        let address = client.address().to_owned();
        return Err(FalkorError::NoGraph { graph: graph.to_owned(), address }.into());
    }
    if let Some(run) = ledger.unfinished(graph, client.address())? {
        if run.digest != plan.digest {
            return Err(WritebackError::Unfinished { run: run.run, graph: run.graph });
        }
        return go_on(client, ledger, &run.run, cx).await;
    }
    if plan.nodes.is_empty() {
        return Ok(Applied {
            run: None,
            written: 0,
            gone: plan.gone,
            changed_identity: plan.changed_identity,
            on_disk: true,
            longest_write_ms: 0.0,
        });
    }
    let now = Timestamp::now();
    let mut run = Run {
        // The time sorts, the random end keeps two runs of one millisecond apart.
        run: format!("{}-{:04x}", now.strftime("%Y%m%dT%H%M%S%3fZ"), rand::random::<u16>()),
        state: RunState::Planned,
        graph: graph.to_owned(),
        address: client.address().to_owned(),
        digest: plan.digest.clone(),
        properties: plan.properties.clone(),
        nodes: plan.nodes.len() as u64,
        written: 0,
        gone: plan.gone,
        changed_identity: plan.changed_identity,
        planned_gone: plan.gone,
        planned_changed_identity: plan.changed_identity,
        score_at: now.as_millisecond(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        before_sha256: None,
        after_sha256: None,
    };
    ledger.begin(&mut run, &plan.nodes)?;
    run.state = RunState::Applying;
    ledger.save(&run)?;
    let pending = plan.nodes.iter().collect();
    complete(client, ledger, run, &plan.nodes, pending, cx).await
}

/// Completes a run that broke off: writes what is not there yet.
pub async fn resume(
    client: &mut Client,
    ledger: &Ledger,
    run: &str,
    cx: &Context,
) -> Result<Applied, WritebackError> {
    let graph = ledger.run(run)?.graph;
    lock::holding(client, &graph, APPLY, lock::TTL, cx, async |client| go_on(client, ledger, run, cx).await)
        .await
}

async fn go_on(
    client: &mut Client,
    ledger: &Ledger,
    run: &str,
    cx: &Context,
) -> Result<Applied, WritebackError> {
    // Read under the lock: whoever held it before may have brought the run further.
    let mut run = ledger.run(run)?;
    if ![RunState::Planned, RunState::Applying, RunState::Applied].contains(&run.state) {
        return Err(WritebackError::State { what: "resume", run: run.run, state: run.state });
    }
    let nodes = ledger.nodes(&run)?;
    let found = read(client, &run, &nodes, cx).await?;
    run.state = RunState::Applying;
    ledger.save(&run)?;
    let open = |(node, now): &(&PlannedNode, Option<Current>)| {
        now.as_ref().is_some_and(|now| now.uid.as_deref() == Some(&node.uid) && !stands(&run, node, now))
    };
    let pending = nodes.iter().zip(found).filter(open).map(|(node, _)| node).collect();
    complete(client, ledger, run, &nodes, pending, cx).await
}

async fn complete(
    client: &mut Client,
    ledger: &Ledger,
    mut run: Run,
    nodes: &[PlannedNode],
    pending: Vec<&PlannedNode>,
    cx: &Context,
) -> Result<Applied, WritebackError> {
    let constants = [(SCORE_RUN, Param::Text(run.run.clone())), (SCORE_AT, Param::Int(run.score_at))];
    marker::note_scores(client, &run.graph, Some(&run.run)).await?;
    let mut longest_write_ms: f64 = 0.0;
    for (scored, nodes) in alike(pending) {
        let properties = scored_properties(&run, &scored);
        let rows = nodes.into_iter().map(|node| Row {
            id: node.id,
            uid: node.uid.clone(),
            values: node.after.iter().flatten().map(|score| score.param()).collect(),
        });
        let writing =
            Writing { graph: &run.graph, properties: &properties, constants: &constants, only_run: None };
        longest_write_ms =
            longest_write_ms.max(writing.write(client, "write scores", rows.collect(), cx).await?);
    }
    run.state = RunState::Applied;
    ledger.save(&run)?;

    // What is read back from here on is what a crash would leave.
    let on_disk = client.on_disk().await?;
    let found = read(client, &run, nodes, cx).await?;
    (run.written, run.gone, run.changed_identity) = (0, run.planned_gone, run.planned_changed_identity);
    let mut wrong = Vec::new();
    for (node, now) in nodes.iter().zip(found) {
        match now {
            None => run.gone += 1,
            Some(now) if now.uid.as_deref() != Some(&node.uid) => run.changed_identity += 1,
            Some(now) if stands(&run, node, &now) => run.written += 1,
            Some(_) => wrong.push(&node.uid),
        }
    }
    if let Some(first) = wrong.first() {
        ledger.save(&run)?;
        return Err(WritebackError::Unverified { run: run.run, count: wrong.len(), first: (*first).clone() });
    }
    run.state = RunState::Verified;
    ledger.save(&run)?;
    marker::note_scores(client, &run.graph, None).await?;
    tracing::info!(run = run.run, written = run.written, longest_write_ms, "scores written and read back");
    Ok(Applied {
        written: run.written,
        gone: run.gone,
        changed_identity: run.changed_identity,
        on_disk,
        longest_write_ms,
        run: Some(run.run),
    })
}

/// What the nodes of a run hold now: its properties, then `score_run` and `score_at`.
pub(super) async fn read(
    client: &mut Client,
    run: &Run,
    nodes: &[PlannedNode],
    cx: &Context,
) -> Result<Vec<Option<Current>>, FalkorError> {
    let properties: Vec<&str> =
        run.properties.iter().map(String::as_str).chain([SCORE_RUN, SCORE_AT]).collect();
    let ids: Vec<u64> = nodes.iter().map(|n| n.id).collect();
    current::read(client, &run.graph, &ids, &properties, cx).await
}

/// Nodes that lack the same scores go together: setting a property to nothing would remove it.
pub(super) fn alike<'a>(
    nodes: impl IntoIterator<Item = &'a PlannedNode>,
) -> BTreeMap<Vec<bool>, Vec<&'a PlannedNode>> {
    let mut groups: BTreeMap<Vec<bool>, Vec<&PlannedNode>> = BTreeMap::new();
    for node in nodes {
        groups.entry(node.after.iter().map(Option::is_some).collect()).or_default().push(node);
    }
    groups
}

/// The properties of a run that nodes of one group have.
pub(super) fn scored_properties<'a>(run: &'a Run, scored: &[bool]) -> Vec<&'a str> {
    run.properties
        .iter()
        .zip(scored)
        .filter(|(_, scored)| **scored)
        .map(|(property, _)| property.as_str())
        .collect()
}

/// Whether a node holds what the run writes.
pub(super) fn stands(run: &Run, node: &PlannedNode, now: &Current) -> bool {
    now.held.get(run.properties.len()) == Some(&Some(Value::Text(run.run.clone())))
        && node
            .after
            .iter()
            .zip(&now.held)
            .all(|(score, held)| score.is_none_or(|score| score.is(held.as_ref())))
}

/// Whether a node holds what it held before the run.
pub(super) fn stands_as_before(node: &PlannedNode, now: &Current) -> bool {
    let ours = |at: usize| node.after.get(at).is_none_or(Option::is_some);
    let pairs = now.held.iter().zip(&node.before).enumerate();
    pairs.filter(|(at, _)| ours(*at)).all(|(_, (now, before))| same(now.as_ref(), before.as_ref()))
}

/// Values for one node.
pub(super) struct Row {
    pub id: u64,
    pub uid: String,
    pub values: Vec<Param>,
}

/// What every row of a series of writes sets.
pub(super) struct Writing<'a> {
    pub graph: &'a str,
    /// One value of a row each; nothing removes the property.
    pub properties: &'a [&'a str],
    /// The same for every row.
    pub constants: &'a [(&'a str, Param)],
    /// Writes only nodes that this run wrote last.
    pub only_run: Option<&'a str>,
}

impl Writing<'_> {
    /// Writes the rows, guarded by `uid`, and answers with the longest server time of one write in milliseconds.
    pub(super) async fn write(
        &self,
        client: &mut Client,
        title: &str,
        rows: Vec<Row>,
        cx: &Context,
    ) -> Result<f64, WritebackError> {
        let query = self.query()?;
        let total = rows.len() as u64;
        let step = cx.step(title, Some(total));
        let mut pace = Pace::new(WRITE_MS, FIRST, WIDEST);
        let (mut rows, mut done, mut longest) = (rows.into_iter(), 0, 0.0_f64);
        loop {
            step.tick(done, Some(total))?;
            let part: Vec<Param> = rows.by_ref().take(pace.width() as usize).map(Row::param).collect();
            if part.is_empty() {
                return Ok(longest);
            }
            let width = part.len() as u64;
            done += width;
            let mut params = Params::new().with("rows", Param::List(part));
            for (at, (_, value)) in self.constants.iter().enumerate() {
                params = params.with(format!("c{at}"), value.clone());
            }
            if let Some(run) = self.only_run {
                params = params.with("only", Param::Text(run.to_owned()));
            }
            let reply = client.query(self.graph, &query, &params).await?;
            tracing::debug!(
                properties_set = reply.stats.properties_set,
                ms = reply.stats.milliseconds,
                "rows written"
            );
            longest = longest.max(reply.stats.milliseconds);
            pace.took(width, reply.stats.milliseconds);
        }
    }

    fn query(&self) -> Result<String, FalkorError> {
        let mut sets = Vec::with_capacity(self.properties.len() + self.constants.len());
        for (at, property) in self.properties.iter().enumerate() {
            sets.push(format!("n.{} = r[{}]", cypher::identifier(property)?, at + 2));
        }
        for (at, (property, _)) in self.constants.iter().enumerate() {
            sets.push(format!("n.{} = $c{at}", cypher::identifier(property)?));
        }
        let only = self.only_run.map_or(String::new(), |_| format!(" AND n.{SCORE_RUN} = $only"));
        let sets = sets.join(", ");
        Ok(format!("UNWIND $rows AS r MATCH (n) WHERE id(n) = r[0] AND n.uid = r[1]{only} SET {sets}"))
    }
}

impl Row {
    fn param(self) -> Param {
        let mut items = vec![Param::Int(self.id as i64), Param::Text(self.uid)];
        items.extend(self.values);
        Param::List(items)
    }
}
