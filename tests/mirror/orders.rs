//! A source delivers its rows in whatever order they lie: the graph and the plan's digest are the same.

use serde_json::Value;
use sonograph::context::Context;
use sonograph::sources::synthetic::{LoadOptions, generate, load};

use crate::command_line::{Runs, mirror};
use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, read};

/// Lays the rows of every table anew in an order that `{seed}` picks. In one transaction no new version of a row takes
/// the place of an old one, so that they lie as they are written.
const SHUFFLE: &str = "
    DO $$ DECLARE t record; r record; BEGIN
        FOR t IN SELECT c.oid::regclass AS of, a.attname AS col FROM pg_class c
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
                 WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)' LOOP
            FOR r IN EXECUTE format('SELECT ctid AS place FROM %s ORDER BY md5(ctid::text || {seed})', t.of) LOOP
                EXECUTE format('UPDATE %s SET %I = %I WHERE ctid = $1', t.of, t.col, t.col) USING r.place;
            END LOOP;
        END LOOP;
    END $$";

/// Where the ids of a table lie, as one number.
async fn order(of: &Scratch, table: &str) -> i64 {
    let sql = format!("SELECT hashtext(string_agg(id::text, ' ' ORDER BY ctid))::bigint FROM {table}");
    of.count(&sql).await
}

#[test]
fn rows_that_lie_in_another_order_give_the_same_plan_and_the_same_graph() {
    with_graph("orders", async |client, graph| {
        let city = generate(60, 5, &Context::silent()).expect("a city");
        let first = Scratch::new().await;
        load(&city, &first.url(), LoadOptions::default(), &Context::silent()).await.expect("it is loaded");
        let _runs = Runs::of(graph);
        let digest = |of: &Scratch, verb: &str| {
            let told = mirror(&of.url(), graph, &[verb, "--format", "json"]).assert().success();
            let plan: Value = serde_json::from_slice(&told.get_output().stdout).expect("one JSON object");
            plan["digest"].as_str().expect("a digest").to_owned()
        };
        let mut shuffled = Vec::new();
        for seed in 1..=2 {
            let other = first.copy().await;
            other.run(&SHUFFLE.replace("{seed}", &seed.to_string())).await;
            for table in ["directus.venues", "directus.events", "unified.entities", "sonik_web.tracks"] {
                assert_ne!(order(&other, table).await, order(&first, table).await, "{table} is as it was");
            }
            shuffled.push(other);
        }
        let wanted = digest(&first, "plan");
        for other in &shuffled {
            assert_eq!(digest(other, "plan"), wanted, "onto nothing");
        }

        assert_eq!(digest(&first, "apply"), wanted);
        let written = bytes(&read(client, graph).await);
        let nothing = digest(&first, "plan");
        assert_ne!(nothing, wanted);
        for other in &shuffled {
            assert_eq!(digest(other, "plan"), nothing, "onto the graph that is there");
        }
        for other in &shuffled {
            client.delete_graph(graph).await.expect("it goes");
            assert_eq!(digest(other, "apply"), wanted);
            assert_eq!(bytes(&read(client, graph).await), written);
        }
    });
}
