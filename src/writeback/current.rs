//! What nodes hold now, read by short queries.

use crate::context::Context;
use crate::ontology::Value;
use crate::sources::falkordb::pace::{Pace, READ_MS};
use crate::sources::falkordb::{Client, CypherValue, FalkorError, Param, Params, cypher};

const FIRST: u64 = 500;
const WIDEST: u64 = 20_000;

/// What lies under an internal id now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Current {
    /// `None`: a node without text uid.
    pub uid: Option<String>,
    /// The properties asked for, in that order.
    pub held: Vec<Option<Value>>,
    /// Those of them that undo could not put back, in words.
    pub irreversible: Vec<(usize, String)>,
}

impl Current {
    fn of(uid: Option<String>, cells: impl Iterator<Item = CypherValue>) -> Self {
        let mut irreversible = Vec::new();
        let held = cells.enumerate().map(|(at, cell)| {
            if cell != CypherValue::Null && !reversible(&cell) {
                irreversible.push((at, format!("{cell:?}")));
            }
            cell.into_value()
        });
        let held = held.collect();
        Self { uid, held, irreversible }
    }
}

/// Whether undo could put this value back.
fn reversible(held: &CypherValue) -> bool {
    match held {
        CypherValue::Bool(_) | CypherValue::Int(_) | CypherValue::Text(_) => true,
        CypherValue::Float(x) => x.is_finite(),
        // Doubles in lists cannot be fetched to the bit.
        CypherValue::List(items) => {
            items.iter().all(|i| reversible(i) && !matches!(i, CypherValue::Float(_)))
        }
        _ => false,
    }
}

/// Reads `properties` of the nodes with these internal ids; `None` where there is no such node.
pub(super) async fn read(
    client: &mut Client,
    graph: &str,
    ids: &[u64],
    properties: &[&str],
    cx: &Context,
) -> Result<Vec<Option<Current>>, FalkorError> {
    let mut columns = vec!["r[0]".to_owned(), "n.uid".to_owned()];
    for property in properties {
        columns.push(format!("n.{}", cypher::identifier(property)?));
    }
    let query = format!("UNWIND $rows AS r MATCH (n) WHERE id(n) = r[1] RETURN {}", columns.join(", "));
    let mut found: Vec<Option<Current>> = vec![None; ids.len()];
    let rows = ids
        .iter()
        .enumerate()
        .map(|(at, &id)| Param::List(vec![Param::Int(at as i64), Param::Int(id as i64)]));
    each_page(client, graph, "read current values", &query, rows.collect(), cx, |row| {
        let mut row = row.into_iter();
        let at = row.next().as_ref().and_then(CypherValue::as_int).and_then(|at| usize::try_from(at).ok());
        let uid = row.next().and_then(|uid| uid.as_text().map(str::to_owned));
        if let Some(place) = at.and_then(|at| found.get_mut(at)) {
            *place = Some(Current::of(uid, row));
        }
    })
    .await?;
    Ok(found)
}

/// Replaces the 15 digits that the server prints of a double by the double itself.
///
/// What the server holds minus what it printed is so small that printing it loses nothing (the difference of two
/// neighbouring doubles is exact, and has few digits), so adding it again gives the double to the bit.
/// `cells` are (internal id, property, printed double).
pub(super) async fn exact(
    client: &mut Client,
    graph: &str,
    cells: &mut [(u64, &str, f64)],
    cx: &Context,
) -> Result<(), FalkorError> {
    let mut properties: Vec<&str> = cells.iter().map(|(_, property, _)| *property).collect();
    properties.sort_unstable();
    properties.dedup();
    for property in properties {
        let rows = cells.iter().enumerate().filter(|(_, (_, of, _))| *of == property).map(
            |(at, (id, _, printed))| {
                Param::List(vec![Param::Int(at as i64), Param::Int(*id as i64), Param::Float(*printed)])
            },
        );
        let query = format!(
            "UNWIND $rows AS r MATCH (n) WHERE id(n) = r[1] RETURN r[0], toFloatOrNull(n.{}) - r[2]",
            cypher::identifier(property)?
        );
        let rows = rows.collect();
        each_page(client, graph, "read values to the last bit", &query, rows, cx, |row| {
            if let [at, difference] = row.as_slice()
                && let (Some(at), Some(difference)) = (at.as_int(), difference.as_float())
                && let Some(cell) = usize::try_from(at).ok().and_then(|at| cells.get_mut(at))
                && difference.is_finite()
            {
                cell.2 += difference;
            }
        })
        .await?;
    }
    Ok(())
}

/// Runs `query` with `$rows` in parts whose number follows the server's time.
async fn each_page(
    client: &mut Client,
    graph: &str,
    title: &str,
    query: &str,
    rows: Vec<Param>,
    cx: &Context,
    mut take: impl FnMut(Vec<CypherValue>),
) -> Result<(), FalkorError> {
    let total = rows.len() as u64;
    let step = cx.step(title, Some(total));
    let mut pace = Pace::new(READ_MS, FIRST, WIDEST);
    let (mut rows, mut done) = (rows.into_iter(), 0);
    loop {
        step.tick(done, Some(total))?;
        let part: Vec<Param> = rows.by_ref().take(pace.width() as usize).collect();
        if part.is_empty() {
            return Ok(());
        }
        let width = part.len() as u64;
        done += width;
        let reply = client.ro_query(graph, query, &Params::new().with("rows", Param::List(part))).await?;
        pace.took(width, reply.stats.milliseconds);
        reply.rows.into_iter().for_each(&mut take);
    }
}
