//! A run is taken back: every node it wrote holds again what it held before, to the bit, absence included.

use super::apply::{Row, Writing, alike, read, scored_properties, stands, stands_as_before};
use super::{Ledger, RunState, SCORE_AT, SCORE_RUN, WritebackError};
use crate::context::Context;
use crate::ontology::Value;
use crate::sources::falkordb::{Client, Param, lock, marker};

/// How a run is taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndoOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Leave nodes alone that were written by something else since, and go on with the rest.
    pub skip_overwritten: bool,
}

/// What an undo did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Undone {
    /// The run.
    pub run: String,
    /// Nodes that hold again what they held before.
    pub restored: u64,
    /// Nodes the run had not written, or that were restored already.
    pub untouched: u64,
    /// Nodes that are gone.
    pub gone: u64,
    /// Nodes whose internal id belongs to another `uid` by now.
    pub changed_identity: u64,
    /// Nodes that somebody else wrote since, and that were left alone.
    pub overwritten: u64,
    /// These nodes.
    pub left_alone: Vec<LeftAlone>,
}

/// A node that an undo left alone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftAlone {
    /// Which.
    pub uid: String,
    /// Who wrote it since.
    pub by: String,
}

/// Takes a run back, whether it is whole or broke off. Holds the [`lock`] of the graph, unless it is a dry run.
///
/// Nodes that were written by something else since are [`WritebackError::Overwritten`], and then nothing is restored,
/// unless the options say to leave these alone.
pub async fn undo(
    client: &mut Client,
    ledger: &Ledger,
    run: &str,
    options: UndoOptions,
    cx: &Context,
) -> Result<Undone, WritebackError> {
    if options.dry_run {
        return take_back(client, ledger, run, options, cx).await;
    }
    let graph = ledger.run(run)?.graph;
    lock::holding(client, &graph, "writeback undo", lock::TTL, cx, async |client| {
        take_back(client, ledger, run, options, cx).await
    })
    .await
}

async fn take_back(
    client: &mut Client,
    ledger: &Ledger,
    run: &str,
    options: UndoOptions,
    cx: &Context,
) -> Result<Undone, WritebackError> {
    let mut run = ledger.run(run)?;
    if run.state == RunState::Undone {
        return Err(WritebackError::State { what: "undo", run: run.run, state: run.state });
    }
    let nodes = ledger.nodes(&run)?;
    let mut undone = Undone {
        run: run.run.clone(),
        restored: 0,
        untouched: 0,
        gone: 0,
        changed_identity: 0,
        overwritten: 0,
        left_alone: Vec::new(),
    };
    let mut ours = Vec::new();
    for (node, now) in nodes.iter().zip(read(client, &run, &nodes, cx).await?) {
        match now {
            None => undone.gone += 1,
            Some(now) if now.uid.as_deref() != Some(&node.uid) => undone.changed_identity += 1,
            Some(now) if stands(&run, node, &now) => ours.push(node.clone()),
            Some(now) if stands_as_before(node, &now) => undone.untouched += 1,
            Some(now) => {
                let by = match now.held.get(run.properties.len()) {
                    Some(Some(Value::Text(by))) if *by != run.run => format!("run {by}"),
                    _ => "somebody who left no run".to_owned(),
                };
                undone.left_alone.push(LeftAlone { uid: node.uid.clone(), by });
            }
        }
    }
    undone.overwritten = undone.left_alone.len() as u64;
    if let Some(LeftAlone { uid: first, by }) =
        undone.left_alone.first().filter(|_| !options.skip_overwritten).cloned()
    {
        return Err(WritebackError::Overwritten { run: run.run, count: undone.left_alone.len(), first, by });
    }
    if options.dry_run {
        undone.restored = ours.len() as u64;
        return Ok(undone);
    }
    run.state = RunState::Undoing;
    ledger.save(&run)?;
    marker::note_scores(client, &run.graph, Some(&run.run)).await?;
    for (scored, nodes) in alike(&ours) {
        let mut properties = scored_properties(&run, &scored);
        properties.extend([SCORE_RUN, SCORE_AT]);
        let rows = nodes.into_iter().map(|node| {
            let ours = node.before.iter().enumerate().filter(|(at, _)| scored.get(*at).is_none_or(|s| *s));
            let values = ours.map(|(_, held)| held.as_ref().map_or(Param::Null, Param::from)).collect();
            Row { id: node.id, uid: node.uid.clone(), values }
        });
        let only_run = Some(run.run.as_str());
        let writing = Writing { graph: &run.graph, properties: &properties, constants: &[], only_run };
        writing.write(client, "restore values", rows.collect(), cx).await?;
    }

    // As when they were written: what the ledger calls undone is to stay so.
    client.on_disk().await?;
    let mut wrong = Vec::new();
    for (node, now) in ours.iter().zip(read(client, &run, &ours, cx).await?) {
        match now {
            None => undone.gone += 1,
            Some(now) if now.uid.as_deref() != Some(&node.uid) => undone.changed_identity += 1,
            Some(now) if stands_as_before(node, &now) => undone.restored += 1,
            Some(_) => wrong.push(&node.uid),
        }
    }
    if let Some(first) = wrong.first() {
        return Err(WritebackError::Unverified { run: run.run, count: wrong.len(), first: (*first).clone() });
    }
    run.state = if undone.overwritten == 0 { RunState::Undone } else { RunState::PartlyUndone };
    ledger.save(&run)?;
    marker::note_scores(client, &run.graph, None).await?;
    Ok(undone)
}
