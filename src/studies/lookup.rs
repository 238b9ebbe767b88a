//! Nodes by what a person typed.

use crate::graph::{BusinessGraph, NodeId};

use super::StudyError;

/// The node with this uid, or an error that suggests what may have been meant.
pub(super) fn node(graph: &BusinessGraph, uid: &str) -> Result<NodeId, StudyError> {
    graph
        .node(uid)
        .ok_or_else(|| StudyError::UnknownNode { uid: uid.to_owned(), similar: similar(graph, uid) })
}

/// The nodes named in a list flag, each as often as it is named, as `uid` or `uid,uid`.
///
/// A uid may hold a comma (a URL does): what is a uid as a whole is not taken apart.
pub(super) fn nodes(graph: &BusinessGraph, given: &[String]) -> Result<Vec<NodeId>, StudyError> {
    let mut found = Vec::new();
    for text in given {
        match graph.node(text) {
            Some(whole) => found.push(whole),
            None => {
                for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                    found.push(node(graph, part)?);
                }
            }
        }
    }
    Ok(found)
}

/// At most three nodes whose name is the text, or whose uid or name holds it, whatever the case.
fn similar(graph: &BusinessGraph, text: &str) -> Vec<(String, String)> {
    const MOST: usize = 3;
    let text = text.to_lowercase();
    if text.is_empty() {
        return vec![];
    }
    let all = || (0..graph.node_count() as u32).map(NodeId);
    let by_name = all().filter(|&v| graph.name(v).to_lowercase() == text).take(MOST);
    let mut found: Vec<NodeId> = by_name.collect();
    if found.is_empty() {
        let holds = |v: &NodeId| {
            graph.uid(*v).to_lowercase().contains(&text) || graph.name(*v).to_lowercase().contains(&text)
        };
        found = all().filter(holds).take(MOST).collect();
    }
    found.into_iter().map(|v| (graph.uid(v).to_owned(), graph.name(v).to_owned())).collect()
}
