//! A small town, its snapshot and its scores.

use polars::prelude::{Column, DataFrame};
use sonograph::context::Context;
use sonograph::snapshot::tables::Tables;
use sonograph::sources::falkordb::{Client, CypherValue, Param, Params, scan};
use sonograph::studies::findings::Scores;
use sonograph::writeback::Score;

/// The graph as it stands.
pub async fn frozen(client: &mut Client, graph: &str) -> Tables {
    scan(client, graph, &Context::silent()).await.expect("a scan").tables
}

/// A table of scores; `None`: not scored.
pub fn scores(rows: &[(&str, &str)], columns: &[(&str, Vec<Option<Score>>)]) -> Scores {
    let mut all = vec![
        Column::new("uid".into(), rows.iter().map(|r| r.0).collect::<Vec<_>>()),
        Column::new("label".into(), rows.iter().map(|r| r.1).collect::<Vec<_>>()),
    ];
    for (name, cells) in columns {
        let integers = cells.iter().flatten().any(|c| matches!(c, Score::Integer(_)));
        all.push(if integers {
            Column::new(
                (*name).into(),
                cells.iter().map(|c| c.map(|c| c.as_f64() as i64)).collect::<Vec<_>>(),
            )
        } else {
            Column::new((*name).into(), cells.iter().map(|c| c.map(Score::as_f64)).collect::<Vec<_>>())
        });
    }
    Scores { columns: vec![], frame: DataFrame::new(rows.len(), all).expect("a table") }
}

/// Every node with every property, as the server prints them, and every double to the last bit.
pub async fn dump(client: &mut Client, graph: &str) -> Vec<Vec<CypherValue>> {
    let query = "MATCH (n) UNWIND keys(n) AS k WITH n, k, n[k] AS v ORDER BY id(n), k \
                 RETURN id(n), labels(n), k, v, toFloatOrNull(v) * 4503599627370496.0 - 1e15";
    client.ro_query(graph, query, &Params::new()).await.expect("a dump").rows
}

/// Whether a node's property is exactly this double.
pub async fn is_exactly(client: &mut Client, graph: &str, uid: &str, property: &str, value: f64) -> bool {
    let params = Params::new().with("u", Param::Text(uid.into())).with("x", Param::Float(value));
    let query = format!("MATCH (n {{uid: $u}}) WHERE n.`{property}` = $x RETURN count(n)");
    client.ro_query(graph, &query, &params).await.expect("compared").count() == Some(1)
}
