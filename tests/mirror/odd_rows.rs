//! Odd content that is legal reaches the graph as it is, and is found there again by the next plan.

use sonograph::context::Context;
use sonograph::sources::falkordb::Params;

use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{is_settled, run};

const ODD: &str = r#"
SET search_path = directus;
ALTER TABLE venues ALTER capacity TYPE bigint, ALTER name TYPE text, ALTER city TYPE text, ALTER timezone TYPE text;
ALTER TABLE events ALTER name TYPE text, ALTER price_min TYPE float8, ALTER source_url TYPE text;
ALTER TABLE artists ALTER name TYPE text;
UPDATE venues SET capacity = 9223372036854775807, name = repeat('é', 200000), city = E'\u202E\u200B`"''\\',
  latitude = 90, longitude = -180 WHERE google_place_id LIKE 'ChIJr%';
UPDATE venues SET capacity = -9223372036854775808, timezone = 'No/Where', latitude = 91 WHERE google_place_id LIKE 'ChIJN%';
UPDATE events SET start_date = '0001-01-01', end_date = '9999-12-31T23:59:59.999999Z', price_min = 1.7e308,
  name = E'}) DETACH DELETE n //\n\t\u0001' WHERE id = 1;
UPDATE events SET start_date = '9999-12-31 23:59:59', end_date = '4713-01-01 BC', price_min = -5e-324,
  source_url = '', tags = '["", " ", "a,b", "\u202e"]' WHERE id = 2;
UPDATE artists SET name = '', genres = E',, \u200B ,techno,techno' WHERE name = 'DJ Ostara';
SET search_path = sonik_web;
ALTER TABLE content_shared ALTER content_url TYPE text;
UPDATE tracks SET "timestamp" = '0001-01-01' WHERE id = 't5';
UPDATE tracks SET "timestamp" = '9999-12-30', anonymous_id = E'anon\u200B`9' WHERE id = 't8';
UPDATE content_shared SET content_url = repeat('https://x.example/', 5000), channel = E'\uFEFF';
SET search_path = workspace_1wgvd1injqtife6y4rvfbu3h5;
UPDATE opportunity SET "amountAmountMicros" = 1e300, "closeDate" = '0001-01-01', name = '' WHERE stage = 'PROPOSAL';
UPDATE person SET "nameFirstName" = '', "nameLastName" = E'\u2066', "emailsPrimaryEmail" = ' ' WHERE "nameFirstName" = 'Leo';
"#;

#[test]
fn odd_content_reaches_the_graph_and_a_second_plan_is_empty() {
    with_graph("odd_rows", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        scratch.run(ODD).await;
        let facts = scratch.facts().await.expect("all of it is legal");
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        is_settled(client, graph, &facts, 1).await;
        let asked = "MATCH (v:Venue) WHERE v.capacity = 9223372036854775807 RETURN size(v.name)";
        let reply = client.ro_query(graph, asked, &Params::new()).await.expect("an answer");
        assert_eq!(reply.rows.len(), 1);
    });
}
