//! A whole graph by ranges of internal ids, every range short enough for nobody to notice.
//!
//! The time that the server reports of a query leaves out the printing of its answer, though the graph stays locked meanwhile:
//! 262,144 nodes were reported as 35 ms and stopped a `PING` beside a writer for 260 ms. So printing is estimated from the
//! answer's size.

use super::pace::{Pace, READ_MS};
use super::{Client, CypherValue, FalkorError, Params, cypher};
use crate::context::Step;

pub(super) const WIDEST_PAGE: u64 = 1 << 18;

/// Bytes of an answer that the server prints in a millisecond, on a machine with other things to do; 300,000 on a quiet one.
const BYTES_PER_MS: f64 = 150_000.0;

/// Bytes of an answer that a page aims at: read, they take some ten times as much of our memory.
const PAGE_BYTES: f64 = 512.0 * 1024.0;

/// Reads ranges of ids whose width follows the time the server takes.
pub(in crate::sources) struct Pages<'a> {
    pub(in crate::sources) client: &'a mut Client,
    graph: &'a str,
    bound: u64,
    first: u64,
    /// Pages read.
    pub(in crate::sources) count: u64,
    /// Server time of the longest page, in milliseconds, printing estimated.
    pub(in crate::sources) longest_ms: f64,
}

impl<'a> Pages<'a> {
    /// Looks for the highest id there is; every reading begins with `first` ids a page.
    pub(in crate::sources) async fn of(
        client: &'a mut Client,
        graph: &'a str,
        first: u64,
    ) -> Result<Pages<'a>, FalkorError> {
        let bound = id_bound(client, graph).await?;
        Ok(Pages { client, graph, bound, first, count: 0, longest_ms: 0.0 })
    }

    /// Runs `query` for every range of ids `$from ≤ id < $to` and hands its rows to `take`, until that fails.
    pub(in crate::sources) async fn read(
        &mut self,
        query: &str,
        step: &Step,
        expected: u64,
        take: &mut impl FnMut(Vec<CypherValue>) -> Result<(), FalkorError>,
    ) -> Result<(), FalkorError> {
        let (mut from, mut rows) = (0, 0);
        let mut pace = Pace::new(READ_MS, self.first, WIDEST_PAGE);
        while from < self.bound {
            step.tick(rows, Some(expected))?;
            let to = from.saturating_add(pace.width()).min(self.bound);
            let params = Params::new()
                .with("from", cypher::Param::Int(from as i64))
                .with("to", cypher::Param::Int(to as i64));
            let reply = self.client.page(self.graph, query, &params).await?;
            let bytes: usize = reply.rows.iter().flatten().map(bytes).sum();
            let took = reply.stats.milliseconds + bytes as f64 / BYTES_PER_MS;
            rows += reply.rows.len() as u64;
            reply.rows.into_iter().try_for_each(&mut *take)?;
            self.count += 1;
            self.longest_ms = self.longest_ms.max(took);
            pace.took(to - from, took.max(READ_MS * bytes as f64 / PAGE_BYTES));
            from = to;
        }
        Ok(())
    }
}

/// Bytes a value takes in a compact answer, roughly.
fn bytes(value: &CypherValue) -> usize {
    const FRAME: usize = 24;
    let properties = |held: &[(std::sync::Arc<str>, CypherValue)]| -> usize {
        held.iter().map(|(_, value)| FRAME + bytes(value)).sum()
    };
    FRAME
        + match value {
            CypherValue::Text(text) => text.len(),
            CypherValue::List(items) => items.iter().map(bytes).sum(),
            CypherValue::Vector(items) => items.len() * FRAME,
            CypherValue::Node(node) => FRAME * node.labels.len() + properties(&node.properties),
            CypherValue::Edge(edge) => 2 * FRAME + properties(&edge.properties),
            _ => 0,
        }
}

/// An id above every node's: doubles until nobody lies above, then halves the rest.
pub(super) async fn id_bound(client: &mut Client, graph: &str) -> Result<u64, FalkorError> {
    let mut somebody_from = async |id: u64| {
        let params = Params::new().with("from", cypher::Param::Int(id as i64));
        let reply =
            client.ro_query(graph, "MATCH (n) WHERE id(n) >= $from RETURN 1 LIMIT 1", &params).await?;
        Ok::<_, FalkorError>(!reply.rows.is_empty())
    };
    let (mut low, mut high) = (0, 1);
    while somebody_from(high).await? {
        low = high;
        high *= 2;
    }
    if low == 0 && !somebody_from(0).await? {
        return Ok(0);
    }
    // Somebody is at or above `low`, nobody at or above `high`.
    while high - low > 1 {
        let middle = low.midpoint(high);
        if somebody_from(middle).await? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

/// The answer of a `RETURN count(…)`.
pub(in crate::sources) async fn count(
    client: &mut Client,
    graph: &str,
    query: &str,
) -> Result<u64, FalkorError> {
    client.ro_query(graph, query, &Params::new()).await?.count().ok_or_else(|| FalkorError::Reply {
        doing: format!("{query} on graph `{graph}`"),
        reason: "a count is no number".to_owned(),
    })
}
