//! What rests on a table that failed without being one of its rows: it stays as it was, and a second run finds nothing to do.

use sonograph::sources::falkordb::Client;

use crate::command_line::{Runs, mirror};
use crate::failed_reads::{SETTLED, WORKSPACE, city};
use crate::footing::{number, told};
use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, read};

/// Of rows to which others refer.
const UNCHECKED: &str = "SET session_replication_role = replica;";

/// Applies, and once more, which finds nothing to do; what was said first.
fn twice(postgres: &str, graph: &str) -> String {
    let said = told(&mut mirror(postgres, graph, &["apply"]), 0);
    let again = told(&mut mirror(postgres, graph, &["apply", "--format", "table"]), 0);
    assert!(again.contains("nothing to do beside what is held back"), "{again}");
    said
}

/// Neither a city that `failed` in each of these ways nor its coming back changes anything.
async fn nothing_changes(client: &mut Client, graph: &str, city: &Scratch, table: &str, failures: &[&str]) {
    let postgres = city.url();
    mirror(&postgres, graph, &["apply"]).assert().success();
    let before = bytes(&read(client, graph).await);
    for failure in failures {
        let failed = city.copy().await;
        failed.run(&format!("{UNCHECKED} {failure}")).await;
        let said = twice(&failed.url(), graph);
        assert!(said.contains(&format!("--allow-shrink {table}")), "{failure}: {said}");
        assert!(bytes(&read(client, graph).await) == before, "{failure} changed something: {said}");
        let said = told(&mut mirror(&postgres, graph, &["apply", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{failure}: {said}");
    }
}

#[test]
fn events_keep_their_start_while_venues_cannot_be_read() {
    with_graph("failed_venues", async |client, graph| {
        let scratch = city().await;
        let _runs = Runs::of(graph);
        let table = "directus:directus.venues";
        let all = "DELETE FROM directus.venues";
        let no_venue = format!("{all}; UPDATE directus.events SET venue = NULL");
        nothing_changes(client, graph, &scratch, table, &[all, &no_venue]).await;

        // What does not rest on the venue changes; a new clock waits for its zone, so that the two tell one start.
        let first =
            "MATCH (e:Event) WHERE e.starts_at IS NOT NULL RETURN min(toInteger(split(e.uid, ':')[2]))";
        let id = number(client, graph, first).await;
        let is = |what: &str| {
            format!("MATCH (e:Event {{uid: 'directus:directus.events:{id}'}}) WHERE {what} RETURN count(e)")
        };
        let start = number(client, graph, &is("true").replace("count(e)", "e.starts_at")).await;
        let failed = scratch.copy().await;
        let hour = format!(
            "UPDATE directus.events SET start_date = start_date + interval '1 hour', name = 'Moved' WHERE id = {id}"
        );
        failed.run(&format!("{UNCHECKED} {all}; {hour}")).await;
        twice(&failed.url(), graph);
        assert_eq!(number(client, graph, &is("e.name = 'Moved'")).await, 1);
        let as_before = is(&format!("e.starts_at = {start} AND NOT e.local_start IS NULL"));
        assert_eq!(number(client, graph, &as_before).await, 1);
        scratch.run(&hour).await;
        mirror(&scratch.url(), graph, &["apply"]).assert().success();
        let later = is(&format!("e.starts_at = {}", start + 3_600_000));
        assert_eq!(number(client, graph, &later).await, 1);

        // Let go, the times go with them.
        mirror(&failed.url(), graph, &["apply", "--allow-shrink", table]).assert().success();
        let timed = "MATCH (e:Event) WHERE e.starts_at IS NOT NULL AND e.deleted_at IS NULL RETURN count(e)";
        assert_eq!(number(client, graph, timed).await, 0);
    });
}

#[test]
fn no_contact_is_converted_in_place_of_a_company_that_cannot_be_read() {
    with_graph("failed_company", async |client, graph| {
        let scratch = city().await;
        let _runs = Runs::of(graph);
        let table = format!("twenty:{WORKSPACE}.company");
        let all = format!("DELETE FROM {WORKSPACE}.company");
        let both = format!(r#"{all}; DELETE FROM {WORKSPACE}."timelineActivity""#);
        nothing_changes(client, graph, &scratch, &table, &[&all, &both]).await;
        let converted = "MATCH (:Organization)-[r:CONVERTED_TO]->() RETURN count(r)";
        assert!(number(client, graph, converted).await > 0, "companies were converted");
        // Let go, the contacts are who was converted.
        let failed = scratch.copy().await;
        failed.run(&format!("{UNCHECKED} {all}")).await;
        mirror(&failed.url(), graph, &["apply", "--allow-shrink", &table]).assert().success();
        assert_eq!(number(client, graph, converted).await, 0);
        let contacts = "MATCH (:Person)-[r:CONVERTED_TO]->() RETURN count(r)";
        assert!(number(client, graph, contacts).await > 0, "contacts are");
    });
}

#[test]
fn the_rows_of_a_node_that_goes_though_its_table_failed_are_a_node_at_once() {
    with_graph("failed_entities", async |client, graph| {
        let scratch = city().await;
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        mirror(&postgres, graph, &["apply"]).assert().success();
        // Without the address, it is the promoters' that events name by it.
        let failed = scratch.copy().await;
        failed
            .run(&format!(
                r#"{UNCHECKED} DELETE FROM unified.entities;
                UPDATE {WORKSPACE}.company SET "domainNamePrimaryLinkUrl" = NULL"#
            ))
            .await;
        twice(&failed.url(), graph);
        let gone = "MATCH (d:Organization) WHERE d.deleted_at IS NOT NULL";
        assert!(number(client, graph, &format!("{gone} RETURN count(d)")).await > 0, "one goes");
        let homeless = format!(
            "{gone} UNWIND d.refs AS row WITH row WHERE row STARTS WITH 'twenty:' \
             OPTIONAL MATCH (o:Organization) WHERE o.deleted_at IS NULL AND row IN o.refs \
             WITH row, count(o) AS homes WHERE homes = 0 RETURN count(row)"
        );
        assert_eq!(number(client, graph, &homeless).await, 0);
        mirror(&postgres, graph, &["apply"]).assert().success();
        let said = told(&mut mirror(&postgres, graph, &["plan", "--format", "table"]), 0);
        assert!(said.contains(SETTLED), "{said}");
    });
}
