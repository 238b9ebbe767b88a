//! Tables that suddenly hold fewer rows, of which no node tells: what rests on them stays until they are back.

use assert_cmd::Command;

use crate::command_line::{Runs, mirror};
use crate::footing::{number, told};
use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, read};

pub const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";
pub const SETTLED: &str = "the graph is what the sources claim: nothing to do";

/// A small city in a database of its own.
pub async fn city() -> Scratch {
    let scratch = Scratch::new().await;
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = Command::cargo_bin("sonograph").expect("the binary is built");
    command.args(["--progress", "none", "synth", "city", "--people", "130", "--seed", "11"]);
    command.args(["--to", "sources"]).env("SONOGRAPH_POSTGRES_URL", scratch.url());
    command.current_dir(dir.path()).assert().success();
    scratch
}

/// Only every second row is left.
fn halved(table: &str) -> String {
    format!(
        "DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM (SELECT ctid, row_number() OVER (ORDER BY ctid) AS n \
         FROM {table}) AS t WHERE n % 2 = 0)"
    )
}

#[test]
fn a_table_without_nodes_that_lost_its_rows_takes_nothing_along_until_it_is_let_go() {
    with_graph("failed_reads", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        let timeline = format!(r#"{WORKSPACE}."timelineActivity""#);
        let tables = [
            ("touchpoints", "sonik_web.ticket_link_clicked"),
            ("touchpoints", "sonik_web.event_saved"),
            ("touchpoints", "sonik_web.event_attended"),
            ("touchpoints", "sonik_web.content_shared"),
            ("touchpoints", "sonik_web.tracks"),
            ("unified", "unified.claim_events"),
            ("twenty", &timeline),
            ("directus", "directus.events_artists"),
        ];
        for (system, table) in tables {
            let name = format!("{system}:{}", table.replace('"', ""));
            let mut changes = vec![format!("TRUNCATE {table}")];
            // Rows may be there and yet say that they are deleted.
            if table == timeline {
                changes.push(format!(r#"UPDATE {table} SET "deletedAt" = now()"#));
            }
            // Fewer lost rows than ten are noticed only where they were all.
            if scratch.count(&format!("SELECT count(*) FROM {table}")).await >= 24 {
                changes.push(halved(table));
            }
            for change in changes {
                let failed = scratch.copy().await;
                failed.run(&change).await;
                // The second run knows as well as the first what there was.
                for arguments in [&["apply"][..], &["apply", "--incremental"]] {
                    let said = told(&mut mirror(&failed.url(), graph, arguments), 0);
                    let shown: String = said.chars().take(3_000).collect();
                    assert!(said.contains(&format!("--allow-shrink {name}")), "{change}: {shown}");
                }
                assert!(bytes(&read(client, graph).await) == before, "{change} took something along");
                let said = told(&mut mirror(&postgres, graph, &["apply", "--format", "table"]), 0);
                assert!(said.contains(SETTLED), "{change}: {said}");
            }
        }

        // What is let go by its name goes, though the table is there still, and is as a graph that is made anew.
        let name = "touchpoints:sonik_web.event_saved";
        let failed = scratch.copy().await;
        failed.run("TRUNCATE sonik_web.event_saved").await;
        let interest = "MATCH ()-[r:INTERESTED_IN]->() RETURN count(r)";
        let all = number(client, graph, interest).await;
        let said = told(&mut mirror(&failed.url(), graph, &["apply", "--allow-shrink", name]), 0);
        assert!(!said.contains("held back") && number(client, graph, interest).await < all, "{said}");
        let said = told(&mut mirror(&failed.url(), graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{said}");
        // A table that lost nothing may be named as well.
        let said = ["plan", "--format", "table", "--allow-shrink", "unified:unified.claim_events"];
        mirror(&failed.url(), graph, &said).assert().success();
    });
}

#[test]
fn a_table_that_says_who_is_who_and_lost_its_rows_ends_the_run() {
    with_graph("failed_who", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        let before = bytes(&read(client, graph).await);
        for (name, table) in [
            ("unified:unified.entity_sources", "unified.entity_sources"),
            ("touchpoints:sonik_web.identifies", "sonik_web.identifies"),
        ] {
            for change in [format!("TRUNCATE {table}"), halved(table)] {
                let failed = scratch.copy().await;
                failed.run(&change).await;
                for verb in ["plan", "apply"] {
                    let said = told(&mut mirror(&failed.url(), graph, &[verb]), 3);
                    assert!(said.contains(&format!("--allow-shrink {name}")), "{change}: {said}");
                }
                mirror(&failed.url(), graph, &["plan", "--allow-shrink", name]).assert().success();
            }
        }
        assert!(bytes(&read(client, graph).await) == before, "something was written");
        // Meant once, it is not missed any more.
        let failed = scratch.copy().await;
        failed.run("TRUNCATE unified.entity_sources").await;
        let allowed = ["apply", "--allow-shrink", "unified:unified.entity_sources"];
        mirror(&failed.url(), graph, &allowed).assert().success();
        let said = told(&mut mirror(&failed.url(), graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{said}");
    });
}

#[test]
fn a_person_who_stays_though_the_row_is_gone_keeps_address_canonical_id_and_rows() {
    with_graph("failed_person", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        // Whoever the CRM knows by an address is an entity, too.
        scratch
            .run(&format!(
                "WITH p AS (SELECT id FROM {WORKSPACE}.person WHERE id::text NOT IN (SELECT source_id FROM unified.entity_sources)),
                 e AS (INSERT INTO unified.entities(id, entity_type, claim_status, metadata)
                       SELECT id, 'person', 'unclaimed', '{{}}' FROM p RETURNING id)
                 INSERT INTO unified.entity_sources(entity_id, source_system, source_table, source_id, match_rule)
                 SELECT id, 'twenty', '{WORKSPACE}.person', id::text, 'by hand' FROM e"
            ))
            .await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        let tied = "MATCH (p:Person) WHERE p.uid STARTS WITH 'ent:' AND p.email_sha256 IS NOT NULL \
                    AND p.canonical_id IS NOT NULL RETURN count(p)";
        assert!(number(client, graph, tied).await > 0);
        let before = bytes(&read(client, graph).await);
        let failed = scratch.copy().await;
        failed.run(&format!("TRUNCATE {WORKSPACE}.person CASCADE")).await;
        for _ in 0..2 {
            let said = told(&mut mirror(&failed.url(), graph, &["apply"]), 0);
            assert!(said.contains(&format!("--allow-shrink twenty:{WORKSPACE}.person")), "{said}");
        }
        assert!(bytes(&read(client, graph).await) == before, "something was taken away");
        let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{said}");
    });
}

#[test]
fn a_promoter_known_by_name_goes_when_its_events_name_another() {
    with_graph("lone_promoter", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        scratch
            .run("UPDATE directus.events SET promoter_name = 'Lone Promoter', promoter_domain = NULL WHERE id = 3")
            .await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        let of_third = "MATCH (o)-[:PROMOTES]->(e:Event {uid: 'directus:directus.events:3'}) RETURN count(o)";
        assert_eq!(number(client, graph, of_third).await, 1);
        scratch.run("UPDATE directus.events SET promoter_domain = 'lonepromoter.example' WHERE id = 3").await;
        let said = told(&mut mirror(&postgres, graph, &["apply"]), 0);
        assert!(!said.contains("held back"), "{said}");
        assert_eq!(number(client, graph, of_third).await, 1);
        let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{said}");
    });
}

#[test]
fn promoters_who_stay_or_come_back_are_not_made_twice() {
    with_graph("promoters_back", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        // Known to the CRM alone, and to events by the name only.
        let alone = format!(
            r#"UPDATE {WORKSPACE}._promoter SET "companyId" = NULL;
               UPDATE directus.events SET promoter_name = (SELECT name FROM {WORKSPACE}._promoter ORDER BY id LIMIT 1),
               promoter_domain = NULL WHERE id % 3 = 0"#
        );
        scratch.run(&alone).await;
        mirror(&postgres, graph, &["apply"]).assert().success();
        let promotes = "MATCH ()-[r:PROMOTES]->() RETURN count(r)";
        let (before, all) = (bytes(&read(client, graph).await), number(client, graph, promotes).await);
        let name = format!("twenty:{WORKSPACE}._promoter");

        // Of rows that look like a failed read nothing goes, and nothing stands in for it.
        let failed = scratch.copy().await;
        failed.run(&format!("TRUNCATE {WORKSPACE}._promoter CASCADE")).await;
        for _ in 0..2 {
            let said = told(&mut mirror(&failed.url(), graph, &["apply"]), 0);
            assert!(said.contains(&format!("--allow-shrink {name}")), "{said}");
        }
        assert!(bytes(&read(client, graph).await) == before, "something came or went");

        // Let go, their events name them by name; back again, they are as they were.
        mirror(&failed.url(), graph, &["apply", "--allow-shrink", &name]).assert().success();
        assert_eq!(number(client, graph, promotes).await, all);
        let said = told(&mut mirror(&postgres, graph, &["apply"]), 0);
        assert!(!said.contains("held back"), "{said}");
        assert_eq!(number(client, graph, promotes).await, all);
        let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{said}");
    });
}
