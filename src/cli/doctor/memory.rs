//! Whether the memory of agents is there, and which graphs look like one that nobody named.

use super::{Check, FALKORDB, Failure, Session, connect};
use crate::sources::cognee::{self, Likeness};
use crate::sources::falkordb::{Client, FalkorError};

const MEMORY: &str = "agent memory";

pub(super) async fn examine(session: &Session, checks: &mut Vec<Check>) {
    let named = &session.config.falkordb.memory_graphs;
    let mut client = match connect::memory(session).await {
        Ok(client) => client,
        Err(failure) => {
            // Where nobody asked for it, the business graph's own checks say what is wrong.
            if !named.is_empty() {
                checks.push(Check::failed(FALKORDB, MEMORY, &failure));
            }
            return;
        }
    };
    for graph in named {
        match size(&mut client, graph).await {
            Ok(found) => checks.push(Check::ok(FALKORDB, MEMORY, found)),
            Err(error @ FalkorError::NoGraph { .. }) => {
                let failure = Failure::from(error).with_hint(
                    "Cognee makes it: take it out of [falkordb] memory_graphs or name one that looks like memory there; \
                     SONOGRAPH_MEMORY_URL names another server",
                );
                checks.push(Check::failed(FALKORDB, MEMORY, &failure));
            }
            Err(error) => checks.push(Check::failed(FALKORDB, MEMORY, &Failure::from(error))),
        }
    }
    match cognee::list(&mut client).await {
        Ok(found) => {
            for (graph, likeness) in found {
                if !named.contains(&graph) && graph != session.config.falkordb.graph {
                    let found = match likeness {
                        Likeness::Seen => format!("`{graph}` looks like one and is not read"),
                        Likeness::Named => {
                            format!("`{graph}` is named like one; this user may not look inside")
                        }
                    };
                    let hint = "name it in [falkordb] memory_graphs, or once with `snapshot take --memory`";
                    checks.push(Check::note(FALKORDB, MEMORY, found, hint));
                }
            }
        }
        Err(FalkorError::Forbidden { .. }) => checks.push(Check::note(
            FALKORDB,
            MEMORY,
            "this user may not list the graphs",
            "`+graph.list` allows it",
        )),
        Err(error) => checks.push(Check::failed(FALKORDB, MEMORY, &Failure::from(error))),
    }
}

async fn size(client: &mut Client, graph: &str) -> Result<String, FalkorError> {
    let (nodes, edges) = cognee::size(client, graph).await?;
    Ok(format!("`{graph}`: {nodes} nodes, {edges} edges"))
}
