//! A world that changes between two runs.

use sonograph::context::Context;
use sonograph::snapshot::tables::Tables;
use sonograph::sources::falkordb::{Client, CypherValue, Params};

use crate::graph::{all, url, with_graph};
use crate::scratch::Scratch;
use sonograph::mirror;

use crate::{bytes, city, is_settled, planned, read, resolved, resolved_after, run};

#[test]
fn a_second_run_writes_what_changed_and_leaves_the_rest() {
    with_graph("changes", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let before = scratch.facts().await.expect("the layouts can be read");
        run(client, graph, &before, &Context::silent()).await.expect("it is written");
        all(
            client,
            graph,
            &[
                "MATCH (p:Person {name: 'Mara Quist'}) SET p.influence_pagerank = 0.25, p:Vip",
                "CREATE (:Campaign {uid: 'campaign:1'})",
            ],
        )
        .await;
        scratch
            .run(
                "UPDATE directus.venues SET capacity = 300, latitude = 39.5 WHERE id = '1a000000-0000-4000-8000-000000000002';
                 DELETE FROM directus.artists WHERE name = 'No Handle Yet';
                 UPDATE directus.artists SET genres = 'techno' WHERE name = 'DJ Ostara';
                 UPDATE directus.events_artists SET sort = 7 WHERE events_id = 3;
                 UPDATE workspace_1wgvd1injqtife6y4rvfbu3h5.person SET \"nameLastName\" = 'Quist-Reyes' WHERE \"nameFirstName\" = 'Mara';
                 DELETE FROM unified.entities WHERE id = '3a000000-0000-7000-8000-000000000002';
                 UPDATE sonik_web.tracks SET user_id = 'u-ana' WHERE id = 't1';
                 UPDATE sonik_web.event_viewed SET user_id = 'u-ana' WHERE id = 't1';",
            )
            .await;
        let after = scratch.facts().await.expect("the layouts can be read");
        let applied = run(client, graph, &after, &Context::silent()).await.expect("it is written");
        assert_eq!(applied.generation, 2);

        let holds = [
            // The venue lost its entity: its row names it now, and takes the canonical id over.
            (
                "MATCH (v:Venue {uid: 'ent:3a000000-0000-7000-8000-000000000002'}) WHERE v.deleted_at IS NOT NULL AND v.gen = 2 AND v.canonical_id IS NULL RETURN count(v)",
                1,
            ),
            (
                "MATCH (v:Venue {canonical_id: 'ChIJrTLr-GyuEmsRBfy61i59si0'}) WHERE v.uid STARTS WITH 'directus:' AND v.capacity = 300 AND v.gen = 2 RETURN count(v)",
                1,
            ),
            (
                "MATCH (v:Venue)-[h:HOSTS]->(e:Event {name: 'Kiln Sessions'}) WHERE v.deleted_at IS NULL RETURN count(h)",
                1,
            ),
            ("MATCH (v:Venue)-[h:HOSTS]->() WHERE v.deleted_at IS NOT NULL RETURN count(h)", 0),
            (
                "MATCH (p:Person) WHERE p.deleted_at IS NOT NULL AND p.uid STARTS WITH 'directus:' AND p.name = 'No Handle Yet' RETURN count(p)",
                1,
            ),
            (
                "MATCH (:Person {name: 'DJ Ostara'})-[h:HAS_GENRE]->(g:Genre {name: 'techno'}) RETURN count(h)",
                1,
            ),
            ("MATCH (:Person {name: 'DJ Ostara'})-[h:HAS_GENRE]->() RETURN count(h)", 1),
            ("MATCH ()-[p:PERFORMS_AT {billing: 7}]->(:Event {name: 'Foundry NYE'}) RETURN count(p)", 1),
            // t1 is Ana's own now, and nobody else's.
            ("MATCH (:Person {name: 'Ana Bello'})-[i:INTERESTED_IN {mid: 't1'}]->() RETURN count(i)", 1),
            ("MATCH ()-[i:INTERESTED_IN {mid: 't1'}]->() RETURN count(i)", 1),
            // Others' scores, labels and nodes stay.
            (
                "MATCH (p:Vip {name: 'Mara Quist-Reyes'}) WHERE p.influence_pagerank = 0.25 AND p.gen = 2 RETURN count(p)",
                1,
            ),
            ("MATCH (c:Campaign) WHERE c.deleted_at IS NULL RETURN count(c)", 1),
            ("MATCH (p:Person {name: 'Leo Tran'}) WHERE p.gen = 1 RETURN count(p)", 1),
        ];
        for (query, expected) in holds {
            let reply = client.ro_query(graph, query, &Params::new()).await.expect("it is a query");
            assert_eq!(reply.rows[0][0], CypherValue::Int(expected), "{query}");
        }
        is_settled(client, graph, &after, 2).await;

        // Back to the world before: what was marked is marked no more.
        let applied = run(client, graph, &before, &Context::silent()).await.expect("it is written");
        assert_eq!(applied.generation, 3);
        let marked = "MATCH (n) WHERE n.deleted_at IS NOT NULL RETURN collect(n.uid)";
        let reply = client.ro_query(graph, marked, &Params::new()).await.expect("it is a query");
        // The row's own node once stood in for the entity; the entity has its place back.
        let stood_in =
            CypherValue::Text("directus:directus.venues:1a000000-0000-4000-8000-000000000002".into());
        assert_eq!(reply.rows, [vec![CypherValue::List(vec![stood_in])]]);
        is_settled(client, graph, &before, 3).await;
    });
}

#[test]
fn two_runs_at_once_into_an_empty_graph_make_what_one_would_have_made() {
    with_graph("at_once", async |client, graph| {
        let facts = city::facts(300, 5);
        let cx = Context::silent();
        let mut other = Client::connect(&url()).await.expect("the server answers");
        let (one, two) = tokio::join!(run(client, graph, &facts, &cx), run(&mut other, graph, &facts, &cx));
        one.expect("the one is written");
        two.expect("and the other, after it");
        let wanted = resolved(&facts, &Tables::default()).to_tables().expect("a graph");
        let edges = |tables: &Tables| {
            tables.edges.iter().map(|(name, frame)| (name.clone(), frame.height())).collect::<Vec<_>>()
        };
        let now = read(client, graph).await;
        assert_eq!(edges(&now), edges(&wanted));
        assert_eq!(bytes(&now).keys().collect::<Vec<_>>(), bytes(&wanted).keys().collect::<Vec<_>>());
    });
}

#[test]
fn a_graph_with_duplicate_edges_is_healed_by_the_next_run() {
    with_graph("duplicates", async |client, graph| {
        let facts = city::facts(120, 5);
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        let whole = read(client, graph).await;
        all(
            client,
            graph,
            &[
                "MATCH (a)-[e:HAS_GENRE]->(b) WITH a, b, e LIMIT 7 CREATE (a)-[:HAS_GENRE]->(b), (a)-[:HAS_GENRE]->(b)",
                "MATCH (a)-[e:HOSTS]->(b) WITH a, b, e LIMIT 3 CREATE (a)-[:HOSTS {made_by: 'hand'}]->(b)",
                "MATCH (a)-[e:INTERESTED_IN]->(b) WITH a, b, e LIMIT 4 SET e.timestamp = 7",
            ],
        )
        .await;
        let damaged = read(client, graph).await;
        assert_eq!(damaged.edge_count(), whole.edge_count() + 17);
        let wanted = resolved(&facts, &damaged);
        let (summary, _) = planned(&wanted, &damaged);
        assert_eq!(summary.edges["HAS_GENRE"].delete, 14);
        assert_eq!((summary.edges["HOSTS"].delete, summary.edges["INTERESTED_IN"].update), (3, 4));
        assert!(summary.samples.iter().any(|sample| sample.of == "HOSTS" && sample.why == "duplicate"));
        let healed = run(client, graph, &facts, &Context::silent()).await.expect("it is healed");
        assert_eq!(bytes(&read(client, graph).await), bytes(&whole));
        is_settled(client, graph, &facts, healed.generation).await;
    });
}

#[test]
fn names_that_the_tables_use_are_left_alone_and_a_value_of_another_type_is_healed() {
    with_graph("strange", async |client, graph| {
        let facts = city::facts(120, 5);
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        let whole = read(client, graph).await;
        let strange = [
            "MATCH (e:Event) WITH e LIMIT 1 SET e.node = 7",
            "MATCH (p:Person) WITH p LIMIT 2 SET p.labels = 'mine'",
            "MATCH ()-[r:ATTENDED]->() WITH r LIMIT 1 SET r.src = 'x', r.dst = 1.5",
        ];
        all(client, graph, &strange).await;
        is_settled(client, graph, &facts, 1).await;

        all(client, graph, &["MATCH ()-[r:ATTENDED]->() WITH r LIMIT 1 SET r.timestamp = 'yesterday'"]).await;
        let damaged = read(client, graph).await;
        let (summary, _) = planned(&resolved(&facts, &damaged), &damaged);
        assert!(summary.edges["ATTENDED"].update > 0 && summary.edges["ATTENDED"].create == 0);
        let healed = run(client, graph, &facts, &Context::silent()).await.expect("it is healed");
        assert_eq!(bytes(&read(client, graph).await), bytes(&whole));
        is_settled(client, graph, &facts, healed.generation).await;
        let held = "MATCH (e:Event {node: 7}), (p:Person {labels: 'mine'}), ()-[r:ATTENDED {src: 'x'}]->() RETURN count(p)";
        let reply = client.ro_query(graph, held, &Params::new()).await.expect("it is a query");
        assert_eq!(reply.rows[0][0], CypherValue::Int(2), "other people's properties stay");
    });
}

#[test]
fn duplicates_that_the_schema_forbids_are_removed_before_it_is_made() {
    with_graph("forbidden", async |client, graph| {
        let facts = city::facts(120, 5);
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        let whole = read(client, graph).await;
        // The same graph under another key, without any constraint, and every interest in it twice.
        let bare = format!("{graph}_bare");
        let mut raw =
            redis::Client::open(url()).expect("a URL").get_connection().expect("the server answers");
        redis::cmd("GRAPH.COPY").arg(graph).arg(&bare).exec(&mut raw).expect("copied");
        redis::cmd("GRAPH.CONSTRAINT")
            .arg(&["DROP", &bare, "UNIQUE", "RELATIONSHIP", "INTERESTED_IN", "PROPERTIES", "1", "mid"])
            .exec(&mut raw)
            .expect("dropped");
        all(
            client,
            &bare,
            &["MATCH (a)-[e:INTERESTED_IN]->(b) CREATE (a)-[f:INTERESTED_IN]->(b) SET f = properties(e)"],
        )
        .await;
        assert!(read(client, &bare).await.edge_count() > whole.edge_count());
        run(client, &bare, &facts, &Context::silent()).await.expect("it is healed");
        assert_eq!(read(client, &bare).await.edge_count(), whole.edge_count());
        client.delete_graph(&bare).await.expect("it goes");
    });
}

#[test]
fn a_graph_that_others_turned_around_is_refused_by_name_and_left_as_it_is() {
    with_graph("strangers", async |client, graph| {
        let facts = city::facts(120, 5);
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        let whole = read(client, graph).await;
        let turned = [
            (
                "MATCH (e:Event) WITH e ORDER BY e.uid LIMIT 1 REMOVE e:Event",
                "MATCH (e) WHERE labels(e) = [] SET e:Event",
                "as Node",
            ),
            (
                "MATCH (e:Event) WITH e ORDER BY e.uid LIMIT 1 SET e:Venue",
                "MATCH (e:Event:Venue) REMOVE e:Venue",
                "as Venue",
            ),
            (
                "MATCH (v:Venue) WHERE v.canonical_id IS NOT NULL WITH v ORDER BY v.uid LIMIT 1 \
                 WITH v, v.canonical_id AS id SET v.canonical_id = null CREATE (:Venue {uid: 'x:y', canonical_id: id})",
                "MATCH (v:Venue {uid: 'x:y'}) DELETE v",
                "held by `x:y`",
            ),
        ];
        for (turn, back, told) in turned {
            all(client, graph, &[turn]).await;
            let damaged = bytes(&read(client, graph).await);
            let error =
                run(client, graph, &facts, &Context::silent()).await.expect_err("it cannot be written");
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(bytes(&read(client, graph).await), damaged);
            all(client, graph, &[back]).await;
            run(client, graph, &facts, &Context::silent()).await.expect("it is whole again");
        }
        assert_eq!(read(client, graph).await.node_count(), whole.node_count());
    });
}

#[test]
fn an_edge_without_what_tells_it_apart_is_named_and_the_others_stay() {
    with_graph("apart", async |client, graph| {
        let facts = city::facts(120, 5);
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        all(client, graph, &["MATCH ()-[r:ATTENDED]->() WITH r ORDER BY r.mid LIMIT 1 SET r.mid = 5"]).await;
        let damaged = mirror::read_graph(client, graph, &Context::silent()).await.expect("it can be read");
        let wanted = resolved_after(&facts, &damaged);
        let plan = mirror::plan(&wanted, &damaged).expect("rows can be read");
        let summary = plan.summary().expect("rows can be read");
        let counts = summary.edges["ATTENDED"];
        assert_eq!((counts.create, counts.update, counts.delete), (1, 0, 0));
        let named: Vec<u64> = summary
            .notes
            .iter()
            .filter(|note| note.what.contains("somebody else's"))
            .map(|note| note.count)
            .collect();
        assert_eq!(named, [1]);
        run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        let now = mirror::read_graph(client, graph, &Context::silent()).await.expect("it can be read");
        assert_eq!(now.edge_count(), damaged.edge_count() + 1);
        let wanted = resolved_after(&facts, &now);
        assert!(mirror::plan(&wanted, &now).expect("rows can be read").is_empty());
    });
}
