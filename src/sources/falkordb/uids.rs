//! Nodes that nobody can name: without a uid, or with one that another node has, too. Whoever reads the graph stops at them.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::pages::{Pages, count};
use super::{Client, CypherValue, FalkorError, Param, Params};
use crate::context::Context;
use crate::ontology::canonical::masked;

const FIRST_PAGE: u64 = 4_000;

/// How many shared uids are told, and how many nodes of each.
const TOLD: usize = 3;

const NODES: &str = "MATCH (n) WHERE id(n) >= $from AND id(n) < $to \
    RETURN id(n), n.uid, CASE WHEN typeOf(n.uid) = 'String' THEN NULL ELSE labels(n) END";

/// How the nodes of a graph are named.
#[derive(Debug, Clone, Default)]
pub struct Uids {
    /// How many nodes there are.
    pub nodes: u64,
    /// How many have no text `uid`, and labels and internal id of the first.
    pub nameless: Option<(u64, String, u64)>,
    /// How many uids more than one node has.
    pub shared: u64,
    /// A few of these, by internal id.
    pub told: Vec<Shared>,
}

/// A uid that several nodes have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The uid.
    pub uid: String,
    /// How many nodes have it.
    pub nodes: usize,
    /// Internal id and labels of a few, by id.
    pub holders: Vec<(u64, String)>,
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders = self.holders.iter().map(|(id, labels)| format!("{id} ({labels})"));
        let more = if self.nodes > self.holders.len() { ", …" } else { "" };
        write!(
            f,
            "uid `{}` belongs to nodes {}{more}",
            masked(&self.uid),
            holders.collect::<Vec<_>>().join(", ")
        )
    }
}

/// Looks at every node's uid, by pages; 32 bytes a node are held meanwhile.
///
/// # Errors
/// Those of the server; [`FalkorError::NoGraph`].
pub async fn examine(client: &mut Client, graph: &str, cx: &Context) -> Result<Uids, FalkorError> {
    let expected = count(client, graph, "MATCH (n) RETURN count(n)").await?;
    let mut pages = Pages::of(client, graph, FIRST_PAGE).await?;
    let (mut found, mut names) = (Uids::default(), Vec::new());
    let step = cx.step("look at the nodes' uids", Some(expected));
    let mut take = |row: Vec<CypherValue>| {
        let [id, uid, labels] = row.as_slice() else { return Ok(()) };
        let id = id.as_int().unwrap_or_default().unsigned_abs();
        found.nodes += 1;
        if let Some(uid) = uid.as_text() {
            let hash = *Sha256::digest(uid).first_chunk::<16>().expect("it has 32 bytes");
            names.push((hash, id));
        } else {
            found.nameless.get_or_insert_with(|| (0, labels_of(labels), id)).0 += 1;
        }
        Ok(())
    };
    pages.read(NODES, &step, expected, &mut take).await?;
    names.sort_unstable();
    let mut groups: Vec<&[(_, u64)]> =
        names.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1).collect();
    groups.sort_unstable_by_key(|group| group[0].1);
    found.shared = groups.len() as u64;
    for group in groups.into_iter().take(TOLD) {
        let mut shared = Shared { uid: String::new(), nodes: group.len(), holders: Vec::new() };
        for &(_, id) in group.iter().take(TOLD) {
            let params = Params::new().with("id", Param::Int(id as i64));
            let query = "MATCH (n) WHERE id(n) = $id RETURN n.uid, labels(n)";
            let reply = client.ro_query(graph, query, &params).await?;
            // One that went since is told by nobody.
            if let Some([uid, labels]) = reply.rows.first().map(Vec::as_slice) {
                uid.as_text().unwrap_or_default().clone_into(&mut shared.uid);
                shared.holders.push((id, labels_of(labels)));
            }
        }
        found.told.push(shared);
    }
    Ok(found)
}

fn labels_of(labels: &CypherValue) -> String {
    let CypherValue::List(labels) = labels else { return String::new() };
    let mut labels: Vec<&str> = labels.iter().filter_map(CypherValue::as_text).collect();
    labels.sort_unstable();
    if labels.is_empty() { "no label".to_owned() } else { labels.join(":") }
}
