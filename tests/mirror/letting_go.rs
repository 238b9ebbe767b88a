//! What is gone for good and let go by its name: everything that rested on it goes, and nothing else.

use sonograph::sources::falkordb::Client;

use crate::command_line::{Runs, mirror};
use crate::footing::{number, told};
use crate::graph::with_graph;
use crate::scratch::Scratch;

const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";
const HANGING: &str = "MATCH (n)-[r]-() WHERE n.deleted_at IS NOT NULL RETURN count(r)";
const SETTLED: &str = "the graph is what the sources claim: nothing to do";

async fn count(client: &mut Client, graph: &str, relation: &str) -> i64 {
    number(client, graph, &format!("MATCH ()-[r:{relation}]->() RETURN count(r)")).await
}

#[test]
fn what_is_let_go_by_its_name_takes_along_what_rested_on_it() {
    with_graph("letting_go_of", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        // What is done, what it is called, and the relations of which nothing is left.
        let person = format!("twenty:{WORKSPACE}.person.companyId");
        let cases: [(&str, &str, &[&str]); 5] = [
            (&format!(r#"ALTER TABLE {WORKSPACE}.person DROP COLUMN "companyId""#), &person, &["WORKS_FOR"]),
            ("DROP TABLE sonik_web.event_attended", "touchpoints:sonik_web.event_attended", &["ATTENDED"]),
            (
                "ALTER TABLE sonik_web.identifies RENAME anonymous_id TO renamed",
                "touchpoints:sonik_web.identifies.anonymous_id",
                &[],
            ),
            (
                "ALTER TABLE sonik_web.tracks RENAME TO renamed",
                "touchpoints:sonik_web.tracks",
                &["INTERESTED_IN", "SHARED", "ABOUT", "FOLLOWS"],
            ),
            (
                "ALTER TABLE directus.events RENAME TO gigs",
                "directus:directus.events",
                &["HOSTS", "PERFORMS_AT", "PROMOTES"],
            ),
        ];
        for (change, name, relations) in cases {
            for relation in relations {
                assert!(count(client, graph, relation).await > 0, "{relation} before {name}");
            }
            scratch.run(change).await;
            let said = told(&mut mirror(&postgres, graph, &["apply"]), 3);
            // The way that the refusal tells, as it stands there.
            let (_, way) = said.split_once("--allow-shrink ").expect("a way");
            let (way, _) = way.split_once('`').expect("its end");
            assert!(way.split(',').any(|told| told == name), "{said}");
            let said = told(&mut mirror(&postgres, graph, &["apply", "--allow-shrink", way]), 0);
            assert!(!said.contains("held back"), "{name}: {said}");
            for relation in relations {
                assert_eq!(count(client, graph, relation).await, 0, "{relation} after {name}");
            }
            assert_eq!(number(client, graph, HANGING).await, 0, "{name}");
            let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
            assert!(said.contains(SETTLED), "{name}: {said}");
        }
        let live = "MATCH (e:Event) WHERE e.deleted_at IS NULL RETURN count(e)";
        assert_eq!(number(client, graph, live).await, 0);
    });
}

#[test]
fn rows_that_may_go_take_their_edges_along_and_other_losses_are_held_back_still() {
    with_graph("letting_rows_go", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();

        // A column is let go; of a table beside it all rows are gone, which nobody let go.
        let (attended, works_for) =
            (count(client, graph, "ATTENDED").await, count(client, graph, "WORKS_FOR").await);
        assert!(attended > 0 && works_for > 0);
        scratch
            .run(&format!(
                r#"ALTER TABLE {WORKSPACE}.person DROP COLUMN "companyId"; DELETE FROM sonik_web.event_attended"#
            ))
            .await;
        let person = format!("twenty:{WORKSPACE}.person.companyId");
        let said = told(&mut mirror(&postgres, graph, &["apply", "--allow-shrink", &person]), 0);
        assert!(
            said.contains("--allow-shrink touchpoints:sonik_web.event_attended")
                && !said.contains("WORKS_FOR lost"),
            "{said}"
        );
        assert_eq!(count(client, graph, "ATTENDED").await, attended);
        assert_eq!(count(client, graph, "WORKS_FOR").await, 0);

        scratch.run("DELETE FROM directus.events_artists; DELETE FROM directus.events").await;
        let hosts = count(client, graph, "HOSTS").await;
        let said = told(&mut mirror(&postgres, graph, &["apply"]), 0);
        assert!(said.contains("--allow-shrink directus:directus.events"), "{said}");
        assert_eq!(count(client, graph, "HOSTS").await, hosts);
        let allowed = ["apply", "--allow-shrink", "directus:directus.events"];
        let said = told(&mut mirror(&postgres, graph, &allowed), 0);
        assert!(!said.contains("held back"), "{said}");
        for relation in ["HOSTS", "PERFORMS_AT", "PROMOTES", "INTERESTED_IN", "ATTENDED"] {
            assert_eq!(count(client, graph, relation).await, 0, "{relation}: {said}");
        }
        assert_eq!(number(client, graph, HANGING).await, 0);
    });
}
