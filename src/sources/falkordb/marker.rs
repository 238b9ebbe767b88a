//! Whether the last mirror run into a graph came to its end: a hash beside the graph, under `<graph>:sonograph`.
//!
//! Beside that stands what the last run that came to its end read of the sources, as its writer spells it.
//!
//! It lives and dies with the server's data, so a server that restarts with an older state brings the older mark.

use std::collections::HashMap;
use std::fmt;

use super::{Client, FalkorError};

/// How far a mirror run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is running, or broke off: the graph is a mixture.
    Running,
    /// It came to its end.
    Complete,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Complete => "complete",
        })
    }
}

/// What the last mirror run left beside the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The generation it wrote.
    pub generation: i64,
    /// How far it came.
    pub progress: Progress,
}

/// The key of the mark beside a graph.
pub fn key(graph: &str) -> String {
    format!("{graph}:sonograph")
}

/// The mark of the last mirror run; `None` where there was none.
///
/// # Errors
/// [`FalkorError::Forbidden`] where this user may not read it: a user who may read the graph alone never may.
pub async fn read(client: &mut Client, graph: &str) -> Result<Option<Marker>, FalkorError> {
    let mut fields = fields(client, graph).await?;
    fields.remove(SCORES);
    if fields.is_empty() {
        return Ok(None);
    }
    let generation = fields
        .get("gen")
        .and_then(|g| g.parse().ok())
        .ok_or_else(|| misshapen(graph, "`gen` is no number"))?;
    let progress = match fields.get("state").map(String::as_str) {
        Some("complete") => Progress::Complete,
        // Whatever else it says, it does not say that the run came to its end.
        _ => Progress::Running,
    };
    Ok(Some(Marker { generation, progress }))
}

async fn fields(client: &mut Client, graph: &str) -> Result<HashMap<String, String>, FalkorError> {
    let wire = client.command(&["HGETALL", &key(graph)], None).await?;
    redis::from_redis_value(wire).map_err(|_| misshapen(graph, "it is no hash of texts"))
}

/// The error that something of the mark is not what was written there.
pub fn misshapen(graph: &str, reason: &str) -> FalkorError {
    FalkorError::Reply { doing: format!("HGETALL {}", key(graph)), reason: reason.to_owned() }
}

/// What the last run that came to its end read of the sources; `None` where none noted it.
///
/// # Errors
/// Those of [`read`].
pub async fn layout(client: &mut Client, graph: &str) -> Result<Option<String>, FalkorError> {
    Ok(fields(client, graph).await?.remove(LAYOUT))
}

/// Notes what was read of the sources.
pub async fn write_layout(client: &mut Client, graph: &str, layout: &str) -> Result<(), FalkorError> {
    client.may_write(graph)?;
    client.command(&["HSET", &key(graph), LAYOUT, layout], None).await.map(drop)
}

const LAYOUT: &str = "layout";

/// The write-back run that writes scores into the graph, or broke off in the middle; `None` where nodes hold whole runs.
///
/// # Errors
/// Those of [`read`].
pub async fn unfinished_scores(client: &mut Client, graph: &str) -> Result<Option<String>, FalkorError> {
    Ok(fields(client, graph).await?.remove(SCORES))
}

/// Notes that a write-back run writes, or that none does any more; a user who may not leaves no note.
pub async fn note_scores(client: &mut Client, graph: &str, run: Option<&str>) -> Result<(), FalkorError> {
    client.may_write(graph)?;
    let key = key(graph);
    let noted = match run {
        Some(run) => client.command(&["HSET", &key, SCORES, run], None).await,
        None => client.command(&["HDEL", &key, SCORES], None).await,
    };
    match noted {
        Err(FalkorError::Forbidden { .. }) => Ok(()),
        noted => noted.map(drop),
    }
}

const SCORES: &str = "scores";

/// Leaves a mark.
pub async fn write(client: &mut Client, graph: &str, marker: Marker) -> Result<(), FalkorError> {
    client.may_write(graph)?;
    let (generation, state) = (marker.generation.to_string(), marker.progress.to_string());
    client.command(&["HSET", &key(graph), "gen", &generation, "state", &state], None).await.map(drop)
}

/// Takes the mark away, for a graph that is gone; a user who may not do that leaves it.
pub(super) async fn remove(client: &mut Client, graph: &str) -> Result<(), FalkorError> {
    match client.command(&["DEL", &key(graph)], None).await {
        Err(FalkorError::Forbidden { .. }) => Ok(()),
        done => done.map(drop),
    }
}
