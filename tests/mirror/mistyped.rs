//! Values in the graph that somebody else set to another type than the mirror writes.

use sonograph::context::Context;
use sonograph::sources::falkordb::{CypherValue, Params};

use crate::graph::{all, with_graph};
use crate::scratch::Scratch;
use crate::{is_settled, read, run};

const OLD: &str = "directus:directus.artists:2a000000-0000-4000-8000-000000000004";

#[test]
fn a_value_of_another_type_costs_its_own_row_one_update_and_none_its_uid() {
    with_graph("mistyped", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let facts = async || scratch.facts().await.expect("the layouts can be read");
        run(client, graph, &facts().await, &Context::silent()).await.expect("it is written");
        // An artist turns out to have a second row, whose reference is the smaller one; the uid stays that of the first.
        scratch
            .run(
                "UPDATE directus.artists SET instagram_url = '@no.handle.yet' WHERE name = 'No Handle Yet';
                 INSERT INTO directus.artists(id, status, name, instagram_url)
                 VALUES ('00000000-0000-4000-8000-000000000000', 'published', 'No Handle Yet', '@no.handle.yet')",
            )
            .await;
        let applied = run(client, graph, &facts().await, &Context::silent()).await.expect("it is written");
        assert_eq!(applied.generation, 2);
        is_settled(client, graph, &facts().await, 2).await;
        let whole = read(client, graph).await;

        let mistyped = [
            &*format!("MATCH (p:Person {{uid: '{OLD}'}}) SET p.refs = 'gone'"),
            "MATCH (v:Venue {name: 'Kiln Room'}) SET v.name = 7",
            "MATCH (e:Event {name: 'Low Ceiling'}) SET e.starts_at = 'late'",
            // Nothing claims her, so she has no status at all.
            "MATCH (p:Person {name: 'Mara Quist'}) SET p.claim_status = ['mine']",
            "MATCH ()-[a:ATTENDED {mid: 't4'}]->() SET a.timestamp = 'yesterday'",
        ];
        all(client, graph, &mistyped).await;
        let healed = run(client, graph, &facts().await, &Context::silent()).await.expect("it is healed");
        assert_eq!((healed.generation, healed.rows), (3, 5), "four nodes and an edge, and nothing else");
        let touched = "MATCH (n) WHERE n.gen = 3 RETURN coalesce(n.name, n.uid) AS name ORDER BY name";
        let reply = client.ro_query(graph, touched, &Params::new()).await.expect("it is a query");
        let names = ["Kiln Room", "Low Ceiling", "Mara Quist", "No Handle Yet"];
        assert_eq!(reply.rows, names.map(|name| vec![CypherValue::Text(name.into())]));
        let now = read(client, graph).await;
        assert_eq!((now.node_count(), now.edge_count()), (whole.node_count(), whole.edge_count()));
        let kept =
            format!("MATCH (p:Person {{uid: '{OLD}'}}) WHERE p.deleted_at IS NULL RETURN size(p.refs)");
        let reply = client.ro_query(graph, &kept, &Params::new()).await.expect("it is a query");
        assert_eq!(reply.rows, [vec![CypherValue::Int(2)]], "both rows stand behind the one uid");
        is_settled(client, graph, &facts().await, 3).await;
    });
}
