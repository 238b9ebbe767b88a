//! Which graphs of a server look like the memory of agents.

use crate::sources::falkordb::{Client, FalkorError};

/// Classes of data points that Cognee itself makes.
const CLASSES: [&str; 7] =
    ["Entity", "EntityType", "DocumentChunk", "TextDocument", "TextSummary", "NodeSet", "EdgeType"];

/// A property every data point has, and hardly anything else.
const TELLTALE: &str = "topological_rank";

/// How sure it is that a graph is the memory of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Its classes and properties are Cognee's.
    Seen,
    /// Its key begins like Cognee's default, and this user may not look inside.
    Named,
}

/// The graphs of this server that look like the memory of agents, by key in byte order.
///
/// Asks every graph for its labels and property names, never for a node.
pub async fn list(client: &mut Client) -> Result<Vec<(String, Likeness)>, FalkorError> {
    let mut found = Vec::new();
    for graph in client.graphs().await? {
        let likeness = match client.refresh_names(&graph).await {
            Ok(names) => {
                let classes = names.labels.iter().filter(|label| CLASSES.contains(&&***label)).count();
                let telltale = names.properties.iter().any(|name| **name == *TELLTALE);
                (classes > 1 || (classes > 0 && telltale)).then_some(Likeness::Seen)
            }
            Err(FalkorError::Forbidden { .. }) => graph.starts_with("cognee").then_some(Likeness::Named),
            // Deleted since it was listed, or in the middle of that.
            Err(FalkorError::NoGraph { .. } | FalkorError::NotAGraph { .. } | FalkorError::Query { .. }) => {
                None
            }
            Err(error) => return Err(error),
        };
        found.extend(likeness.map(|likeness| (graph, likeness)));
    }
    Ok(found)
}
