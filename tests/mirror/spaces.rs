//! Ids with white space at their ends, on a server of the test's own: one that meets such a unique value dies.

use sonograph::context::Context;
use sonograph::services::{Guard, Options};
use sonograph::sources::falkordb::{Client, Params};

use crate::scratch::Scratch;
use crate::{is_settled, run};

/// Ids that end, begin or are nothing but white space, wherever a source may hold one.
const SPACES: &str = r#"
SET search_path = sonik_web;
INSERT INTO users (id, name) VALUES ('u-x ', 'Xenia'), ('u-x', 'Xaver'), (' u-x', 'Xu'), (E'u-x\t', 'Xin');
INSERT INTO aliases (id, received_at, "timestamp", previous_id, user_id)
  VALUES ('al1 ', now(), '2025-12-10T11:00:00Z', ' anon-77 ', 'u-x ');
INSERT INTO tracks (id, received_at, "timestamp", anonymous_id, user_id, event) VALUES
  ('mm ', now(), '2025-12-10T11:01:00Z', 'dev ', NULL, 'event_viewed'),
  (' ', now(), '2025-12-10T11:02:00Z', ' dev', NULL, 'event_viewed'),
  (E'\u3000mm', now(), '2025-12-10T11:03:00Z', E'dev\u00a0', 'u-x ', 'event_attended');
INSERT INTO event_viewed (id, event_id) VALUES ('mm ', 1), (' ', 1);
INSERT INTO event_attended (id, event_id) VALUES (E'\u3000mm', 1);
ALTER TABLE directus.artists ALTER id TYPE text;
INSERT INTO directus.artists (id, status, name, genres) VALUES ('text key ', 'published', 'Outer Space', ' techno ,  ');
UPDATE unified.entities SET canonical_id = ' ' || canonical_id || ' ';
"#;

#[test]
fn ids_with_white_space_at_their_ends_reach_the_graph_as_hashes_and_its_server_lives() {
    let home = tempfile::tempdir().expect("a folder");
    let options = Options { dir: home.path().join("servers"), fast: true };
    let servers = Guard::up(&options, &Context::silent()).expect("the servers start");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        scratch.run("ALTER TABLE directus.events_artists DROP CONSTRAINT IF EXISTS events_artists_artists_id_fkey").await;
        scratch.run("ALTER TABLE directus.events_artists ALTER artists_id TYPE text").await;
        scratch.run(SPACES).await;
        let facts = scratch.facts().await.expect("all of it is legal");
        let url = servers.running().falkordb_url.expose();
        let mut client = Client::connect(url).await.expect("the server answers");
        run(&mut client, "spaces", &facts, &Context::silent()).await.expect("it is written");
        is_settled(&mut client, "spaces", &facts, 1).await;
        for (asked, wanted) in [
            ("MATCH (p:Person) WHERE p.name IN ['Xenia', 'Xaver', 'Xu', 'Xin'] RETURN p", 4),
            ("MATCH (v:Visitor) WHERE v.name STARTS WITH 'sha256-' RETURN v", 4),
            ("MATCH ()-[i:INTERESTED_IN|ATTENDED]->() WHERE i.mid STARTS WITH 'sha256-' RETURN i", 3),
            ("MATCH (a:Artist {name: 'Outer Space'})-[:HAS_GENRE]->(:Genre {uid: 'genre:techno'}) RETURN a", 1),
        ] {
            let reply = client.ro_query("spaces", asked, &Params::new()).await.expect("an answer");
            assert_eq!(reply.rows.len(), wanted, "{asked}");
        }
    });
    servers.stop().expect("the servers stop");
}
