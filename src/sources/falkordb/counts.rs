//! How much a graph holds, by label and relation: what a reading of it is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::pages::count;
use super::{Client, FalkorError, Params, cypher};
use crate::snapshot::tables::{LABELS, Tables};

/// Vertex of a node without any label.
pub(super) const UNLABELLED: &str = "Node";

/// Nodes and edges of a graph. A node counts once for each of its labels; labels and relations of nothing are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All nodes.
    pub nodes: u64,
    /// Nodes by label.
    pub labels: BTreeMap<String, u64>,
    /// Edges by relation.
    pub relations: BTreeMap<String, u64>,
}

impl Counts {
    /// Asks a server, which keeps these numbers and answers at once.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn read(client: &mut Client, graph: &str) -> Result<Self, FalkorError> {
        let labels = names(client, graph, "CALL db.labels()").await?;
        let relations = names(client, graph, "CALL db.relationshipTypes()").await?;
        let mut counts = Self::of_relations(client, graph, &relations).await?;
        for label in labels {
            let query = format!("MATCH (n:{}) RETURN count(n)", cypher::identifier(&label)?);
            counts.labels.insert(label.to_string(), count(client, graph, &query).await?);
        }
        counts.labels.retain(|_, count| *count > 0);
        counts.relations.retain(|_, count| *count > 0);
        Ok(counts)
    }

    /// All but the labels; also relations that have no edge any more.
    pub(super) async fn of_relations(
        client: &mut Client,
        graph: &str,
        relations: &[Arc<str>],
    ) -> Result<Self, FalkorError> {
        let nodes = count(client, graph, "MATCH (n) RETURN count(n)").await?;
        let mut counts = Self { nodes, ..Self::default() };
        for relation in relations {
            // Without naming `e` parallel edges would count once.
            let query = format!("MATCH ()-[e:{}]->() RETURN count(e)", cypher::identifier(relation)?);
            counts.relations.insert(relation.to_string(), count(client, graph, &query).await?);
        }
        Ok(counts)
    }

    /// What tables hold. A node without a label stands among those of the label `Node`.
    pub(super) fn of(tables: &Tables) -> Self {
        let mut labels = BTreeMap::new();
        for (vertex, nodes) in &tables.nodes {
            *labels.entry(vertex.clone()).or_default() += nodes.height() as u64;
            let Ok(further) = nodes.column(LABELS).and_then(|labels| labels.list()) else { continue };
            // A frame that was just made holds nothing between its lists.
            let held = further.get_inner();
            for label in held.str().into_iter().flat_map(|held| held.iter().flatten()) {
                *labels.entry(label.to_owned()).or_default() += 1;
            }
        }
        let relations =
            tables.edges.iter().map(|(relation, edges)| (relation.clone(), edges.height() as u64));
        Self { nodes: tables.node_count() as u64, labels, relations: relations.collect() }
    }

    /// Where nodes and edges before, what was read and after are not the same, in words.
    pub(super) fn differences(&self, read: &Self, after: &Self) -> Vec<String> {
        let nodes = ("nodes".to_owned(), [self.nodes, read.nodes, after.nodes]);
        let relations = moved([&self.relations, &read.relations, &after.relations]);
        let edges = relations.into_iter().map(|(relation, three)| (format!("edges {relation}"), three));
        std::iter::once(nodes).chain(edges).filter_map(told).collect()
    }

    /// The same of labels.
    pub(super) fn differences_of_labels(&self, read: &Self, after: &Self) -> Vec<String> {
        let mut labels = moved([&self.labels, &read.labels, &after.labels]);
        // Who has no label is read as one of these, and counted as none.
        if let Some([before, read, _]) = labels.get_mut(UNLABELLED)
            && *read > *before
        {
            *read = *before;
        }
        labels.into_iter().map(|(label, three)| (format!("nodes {label}"), three)).filter_map(told).collect()
    }

    /// How this graph and the same one later differ, in words.
    pub fn since(&self, later: &Self) -> Vec<String> {
        let pair = |what: String, before: u64, after: u64| {
            (before != after).then(|| format!("{what}: {before} when it was frozen, {after} now"))
        };
        let of = |kind: &'static str, before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>| {
            let changed = moved([before, before, after]).into_iter();
            changed
                .filter_map(move |(name, [before, _, after])| pair(format!("{kind} {name}"), before, after))
        };
        pair("nodes".to_owned(), self.nodes, later.nodes)
            .into_iter()
            .chain(of("nodes", &self.labels, &later.labels).collect::<Vec<_>>())
            .chain(of("edges", &self.relations, &later.relations).collect::<Vec<_>>())
            .collect()
    }
}

/// Before, read and after by name.
fn moved(three: [&BTreeMap<String, u64>; 3]) -> BTreeMap<String, [u64; 3]> {
    let names: BTreeSet<&String> = three.iter().flat_map(|counts| counts.keys()).collect();
    let of = |name: &String| three.map(|counts| counts.get(name).copied().unwrap_or(0));
    names.into_iter().map(|name| (name.clone(), of(name))).collect()
}

fn told((what, [before, read, after]): (String, [u64; 3])) -> Option<String> {
    (before != read || read != after)
        .then(|| format!("{what}: {before} counted before, {read} read, {after} counted after"))
}

async fn names(client: &mut Client, graph: &str, call: &str) -> Result<Vec<Arc<str>>, FalkorError> {
    client.ro_query(graph, call, &Params::new()).await?.texts().ok_or_else(|| FalkorError::Reply {
        doing: format!("{call} on graph `{graph}`"),
        reason: "a name is no text".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(nodes: u64, people: u64, follows: u64) -> Counts {
        Counts {
            nodes,
            labels: [("Person".to_owned(), people)].into(),
            relations: if follows == 0 { BTreeMap::new() } else { [("FOLLOWS".to_owned(), follows)].into() },
        }
    }

    #[test]
    fn what_came_or_went_while_reading_is_said() {
        let same = counts(3, 3, 2);
        assert!(
            same.differences(&same, &same).is_empty() && same.differences_of_labels(&same, &same).is_empty()
        );
        let (before, after) = (counts(3, 3, 0), counts(4, 2, 1));
        assert_eq!(
            before.differences(&before, &after),
            [
                "nodes: 3 counted before, 3 read, 4 counted after",
                "edges FOLLOWS: 0 counted before, 0 read, 1 counted after"
            ]
        );
        assert_eq!(
            before.differences_of_labels(&before, &after),
            ["nodes Person: 3 counted before, 3 read, 2 counted after"]
        );
    }

    #[test]
    fn what_changed_since_a_snapshot_is_said_and_nothing_else() {
        let frozen = counts(3, 3, 0);
        assert!(frozen.since(&frozen).is_empty());
        assert_eq!(
            frozen.since(&counts(3, 2, 1)),
            ["nodes Person: 3 when it was frozen, 2 now", "edges FOLLOWS: 0 when it was frozen, 1 now"]
        );
    }

    #[test]
    fn nodes_without_a_label_are_no_drift_of_the_label_they_stand_under() {
        let of = |n| Counts { labels: [("Node".to_owned(), n)].into(), ..Counts::default() };
        assert!(of(2).differences_of_labels(&of(5), &of(2)).is_empty());
        assert!(of(0).differences_of_labels(&of(5), &of(0)).is_empty());
        assert_eq!(of(2).differences_of_labels(&of(5), &of(3)).len(), 1);
        assert_eq!(of(2).differences_of_labels(&of(1), &of(2)).len(), 1);
    }
}
