//! Whether every node of the graph can be named: whoever reads the graph stops at one that cannot.

use super::{Check, FALKORDB, Failure, Session, Verdict};
use crate::sources::falkordb::{Client, FalkorError, uids};

const NODES: &str = "nodes";

pub(super) async fn examine(
    client: &mut Client,
    session: &Session,
    checks: &mut Vec<Check>,
) -> Result<(), FalkorError> {
    let graph = &session.config.falkordb.graph;
    let found = uids::examine(client, graph, &session.cx).await?;
    let sound = found.nameless.is_none() && found.shared == 0;
    if let Some((count, label, id)) = found.nameless {
        let error = FalkorError::NoUid { graph: graph.clone(), count, label, id };
        checks.push(Check::failed(FALKORDB, NODES, &Failure::from(error)));
    }
    for shared in &found.told {
        let surplus = shared.holders.last().map_or(0, |(id, _)| *id);
        let hint = format!(
            "leave the one that is right: `MATCH (n) WHERE id(n) = {surplus} DELETE n` takes the last away, `sonograph mirror \
             apply` then writes again what the other lacks"
        );
        let check = Check::new(FALKORDB, NODES, Verdict::Failed, shared.to_string());
        checks.push(Check { hint: Some(hint), ..check });
    }
    let more = found.shared - found.told.len() as u64;
    if more > 0 {
        let found = format!("{more} more uids belong to several nodes");
        checks.push(Check::new(FALKORDB, NODES, Verdict::Failed, found));
    }
    if sound {
        checks.push(Check::ok(FALKORDB, NODES, format!("{}, each with a uid of its own", found.nodes)));
    }
    Ok(())
}
