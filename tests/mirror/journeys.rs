//! What one person did, on all their devices, in order.

use sonograph::context::Context;
use sonograph::sources::falkordb::{Client, CypherValue, Params};

use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{is_settled, run};

/// Ben's old phone became one that was never seen itself, that one his new phone, which is known to be his; on another device he
/// logged in at once. Somebody else's kiosk was once called his old phone, too, but he and Cy both used it.
const DEVICES: &str = r#"
SET search_path = sonik_web;
INSERT INTO aliases(id, "timestamp", previous_id, user_id) VALUES
  ('a1', '2025-12-11T12:00:00Z', 'old-phone', 'unseen'), ('a2', '2025-12-11T11:00:00Z', 'unseen', 'new-phone'),
  ('a3', '2025-12-11T10:00:00Z', 'kiosk', 'old-phone');
INSERT INTO identifies(id, received_at, "timestamp", anonymous_id, user_id, email) VALUES
  ('i9', '2025-12-11T10:00:00Z', '2025-12-11T10:00:00Z', 'new-phone', 'u-ben', 'ben@fans.example');
INSERT INTO tracks(id, received_at, "timestamp", anonymous_id, user_id, event) VALUES
  ('j1', '2025-12-08T08:00:00Z', '2025-12-08T08:00:00Z', 'old-phone', NULL, 'event_viewed'),
  ('j3', '2025-12-12T09:00:00Z', '2025-12-12T09:00:00Z', 'old-phone', NULL, 'event_viewed'),
  ('j4', '2025-12-12T10:00:00Z', '2025-12-12T10:00:00Z', 'new-phone', NULL, 'event_viewed'),
  ('j5', '2025-12-12T11:00:00Z', '2025-12-12T11:00:00Z', 'tablet', 'u-ben', 'event_viewed'),
  ('k1', '2025-12-12T12:00:00Z', '2025-12-12T12:00:00Z', 'kiosk', 'u-ben', 'event_viewed'),
  ('k2', '2025-12-12T13:00:00Z', '2025-12-12T13:00:00Z', 'kiosk', 'u-cy', 'event_viewed'),
  ('k3', '2025-12-12T14:00:00Z', '2025-12-12T14:00:00Z', 'kiosk', NULL, 'event_viewed');
INSERT INTO event_viewed(id, event_id) VALUES ('j1', 1), ('j3', 1), ('j4', 1), ('j5', 1), ('k1', 1), ('k2', 1), ('k3', 1);
"#;

/// Two messages that were long in the post.
const LATE: &str = r#"
SET search_path = sonik_web;
INSERT INTO tracks(id, received_at, "timestamp", anonymous_id, user_id, event) VALUES
  ('j2', '2025-12-20T08:00:00Z', '2025-12-09T08:00:00Z', 'new-phone', NULL, 'event_viewed'),
  ('j0', '2025-12-21T08:00:00Z', '2025-12-07T08:00:00Z', 'old-phone', NULL, 'event_viewed');
INSERT INTO event_viewed(id, event_id) VALUES ('j2', 1), ('j0', 1);
"#;

/// The messages of one person before they came to the event, in order of time.
async fn journey(client: &mut Client, graph: &str, name: &str) -> Vec<CypherValue> {
    let asked = format!(
        "MATCH (p:Person {{name: '{name}'}})-[a:ATTENDED]->(e:Event) MATCH (s)-[i:INTERESTED_IN]->(e)
         WHERE (s = p OR (s)-[:IDENTIFIED_AS]->(p)) AND i.timestamp <= a.timestamp
         WITH i ORDER BY i.timestamp RETURN i.mid"
    );
    let reply = client.ro_query(graph, &asked, &Params::new()).await.expect("it is a query");
    reply.rows.into_iter().flatten().collect()
}

#[test]
fn touches_of_all_devices_of_a_person_stand_in_order_and_a_late_one_takes_its_place() {
    with_graph("journeys", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let mids = |mids: &[&str]| mids.iter().map(|&mid| CypherValue::Text(mid.into())).collect::<Vec<_>>();
        scratch.run(DEVICES).await;
        let facts = scratch.facts().await.expect("the layouts can be read");
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        // t5 is the published one; k1 is Ben's own, k3 is whoever's at the kiosk.
        assert_eq!(journey(client, graph, "Ben Ode").await, mids(&["j1", "t5", "j3", "j4", "j5", "k1"]));

        scratch.run(LATE).await;
        let facts = scratch.facts().await.expect("the layouts can be read");
        let applied = run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        // Two touches; the old phone is seen from the 7th on, the new one from the 9th.
        assert_eq!((applied.generation, applied.rows), (2, 4));
        let whole = ["j0", "j1", "j2", "t5", "j3", "j4", "j5", "k1"];
        assert_eq!(journey(client, graph, "Ben Ode").await, mids(&whole));
        is_settled(client, graph, &facts, 2).await;

        let shared = "MATCH (v:Visitor) WHERE v.shared RETURN v.uid ORDER BY v.uid";
        let reply = client.ro_query(graph, shared, &Params::new()).await.expect("it is a query");
        assert_eq!(reply.rows.concat(), mids(&["anon:anon-3", "anon:kiosk"]));
    });
}
