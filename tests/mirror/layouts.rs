//! The four published layouts, from Postgres into the graph. Every number has its reason.

use sonograph::context::Context;
use sonograph::mirror::Resolved;
use sonograph::snapshot::tables::Tables;
use sonograph::sources::falkordb::{CypherValue, Params};

use crate::graph::with_graph;
use crate::scratch::Scratch;
use crate::{bytes, is_settled, read, resolved, run};

#[test]
fn the_published_layouts_become_the_graph_that_the_rules_give() {
    with_graph("layouts", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let facts = scratch.facts().await.expect("the layouts can be read");
        let applied = run(client, graph, &facts, &Context::silent()).await.expect("it is written");
        assert_eq!((applied.generation, applied.rows), (1, 26 + 34));

        let counts = [
            // Entities 3, 4 and 7; artist 4, whose name is that of entity 7 but whom no id joins to it; Mara and Leo of
            // the CRM; Ana, of the CRM and the touchpoints by her e-mail; Ben and Cy of the touchpoints.
            ("MATCH (n:Person) RETURN count(n)", 9),
            // Artists 1 to 4: 1 and 3 are entity 3, 2 is entity 4, and entity 7 has the role.
            ("MATCH (n:Artist) RETURN count(n)", 4),
            ("MATCH (n:Contact) RETURN count(n)", 3),
            ("MATCH (n:Fan) RETURN count(n)", 3),
            // Rows 1 and 3 are one by crosswalk, row 2 is entity 2 by its place id, row 4 is archived.
            ("MATCH (n:Venue) RETURN count(n)", 2),
            // Row 4 is archived.
            ("MATCH (n:Event) RETURN count(n)", 3),
            // Companies 1 and 2 by crosswalk; company 3 is deleted; every promoter of an event has a known domain.
            ("MATCH (n:Organization) RETURN count(n)", 2),
            ("MATCH (n:Opportunity) RETURN count(n)", 2),
            ("MATCH (n:Content) RETURN count(n)", 1),
            // techno, house, ambient
            ("MATCH (n:Genre) RETURN count(n)", 3),
            // anon-1, anon-2, anon-3, anon-9
            ("MATCH (n:Visitor) RETURN count(n)", 4),
            // (1,1), (1,2), (2,2), (3,3); one pair is there twice and one row has lost its artist.
            ("MATCH (:Person)-[e:PERFORMS_AT]->(:Event) RETURN count(e)", 4),
            ("MATCH (:Venue)-[e:HOSTS]->(:Event) RETURN count(e)", 3),
            // nightshift.example twice, harbourtouring.co.uk once, all by domain.
            ("MATCH (:Organization)-[e:PROMOTES {weight: 1}]->(:Event) RETURN count(e)", 3),
            // t4 by Ana, t6 by Ben.
            ("MATCH (:Person)-[e:ATTENDED]->(:Event) RETURN count(e)", 2),
            // t3 by Ana, t5 by Ben.
            ("MATCH (:Person)-[e:INTERESTED_IN]->(:Event) RETURN count(e)", 2),
            // t1 on anon-1 before anybody was known, t7 on anon-9.
            ("MATCH (:Visitor)-[e:INTERESTED_IN]->(:Event) RETURN count(e)", 2),
            // t2 on anon-1
            ("MATCH (:Visitor)-[e:SHARED]->(:Content) RETURN count(e)", 1),
            ("MATCH (:Content)-[e:ABOUT]->(:Event) RETURN count(e)", 1),
            // t8 on anon-9
            ("MATCH (:Visitor)-[e:FOLLOWS]->(:Artist) RETURN count(e)", 1),
            // Mara at Night Shift, Leo at Harbour.
            ("MATCH (:Contact)-[e:WORKS_FOR]->(:Organization) RETURN count(e)", 2),
            ("MATCH (:Contact)-[e:CONTACT_FOR]->(:Opportunity) RETURN count(e)", 2),
            ("MATCH (:Opportunity)-[e:FOR_ORG]->(:Organization) RETURN count(e)", 2),
            // Opportunity 2 is in stage CUSTOMER.
            ("MATCH (:Organization)-[e:CONVERTED_TO]->(:Opportunity) RETURN count(e)", 1),
            // anon-1 and anon-2 are Ana's; anon-3 was used by Ben and Cy; nobody named anon-9.
            ("MATCH (:Visitor)-[e:IDENTIFIED_AS]->(:Person) RETURN count(e)", 2),
            ("MATCH (v:Visitor {shared: true}) RETURN count(v)", 1),
            // No source knows the three claimants.
            ("MATCH ()-[e:CLAIMS]->() RETURN count(e)", 0),
            // Velvet techno and house, Ostara house, No Handle Yet ambient.
            ("MATCH (:Person)-[e:HAS_GENRE]->(:Genre) RETURN count(e)", 4),
            ("MATCH (:Event)-[e:HAS_GENRE]->(:Genre) RETURN count(e)", 1),
            // No Handle Yet: artist 4 and entity 7.
            ("MATCH (:Person)-[e:SAME_AS]->(:Person) RETURN count(e)", 1),
            // One entity is claimed by an unknown somebody; stock: claimed 2 (venue 1, organisation 5), pending 1.
            ("MATCH (n) WHERE n.claim_status = 'claimed' RETURN count(n)", 2),
            ("MATCH (n) WHERE n.claim_status = 'pending' RETURN count(n)", 1),
            ("MATCH (n) WHERE n.claim_status = 'unclaimed' RETURN count(n)", 4),
            ("MATCH (n) WHERE n.gen <> 1 OR n.deleted_at IS NOT NULL RETURN count(n)", 0),
        ];
        for (query, expected) in counts {
            let reply = client.ro_query(graph, query, &Params::new()).await.expect("it is a query");
            assert_eq!(reply.rows[0][0], CypherValue::Int(expected), "{query}");
        }

        let instant = |text: &str| {
            CypherValue::Int(text.parse::<jiff::Timestamp>().expect("an instant").as_millisecond())
        };
        let text = |text: &str| CypherValue::Text(text.into());
        let list = |texts: &[&str]| CypherValue::List(texts.iter().map(|t| text(t)).collect());
        let values = [
            // 21:00 on a December evening in New York.
            ("MATCH (e:Event {name: 'Low Ceiling'}) RETURN e.starts_at", instant("2025-12-13T02:00:00Z")),
            // Its venue row has no zone; the row it is merged with has.
            ("MATCH (e:Event {name: 'Foundry NYE'}) RETURN e.starts_at", instant("2026-01-01T03:00:00Z")),
            ("MATCH (e:Event {name: 'Foundry NYE'}) RETURN e.local_start", text("2025-12-31T22:00:00")),
            (
                "MATCH (:Venue)-[h:HOSTS]->(e:Event) WHERE h.timestamp <> e.starts_at RETURN count(h)",
                CypherValue::Int(0),
            ),
            ("MATCH (v:Venue)-[:HOSTS]->(:Event {name: 'Foundry NYE'}) RETURN v.name", text("The Foundry")),
            (
                "MATCH (:Organization)-[c:CONVERTED_TO]->() RETURN c.timestamp",
                instant("2025-12-01T10:00:00Z"),
            ),
            ("MATCH (p:Person {name: 'Ana Bello'}) RETURN p.canonical_id", text("instagram.com/ana_b")),
            ("MATCH (p:Person {name: 'Ana Bello'}) RETURN p.uid", text("touchpoints:sonik_web.users:u-ana")),
            (
                "MATCH ()-[i:INTERESTED_IN {mid: 't1'}]->() RETURN i.attribution_source",
                text("instagram/social"),
            ),
            ("MATCH ()-[i:INTERESTED_IN {mid: 't3'}]->() RETURN i.kind", text("ticket_click")),
            ("MATCH ()-[s:SAME_AS]->() RETURN s.rule", text("name")),
            // 20:00 on a December evening in New York.
            ("MATCH (e:Event {name: 'Kiln Sessions'}) RETURN e.starts_at", instant("2025-12-14T01:00:00Z")),
            // Stock: artists 3 pending, 4 and 7 unclaimed; venue 1 and organisation 5 claimed, 2 and 6 not.
            (
                "MATCH (n) WHERE n.claim_status IS NOT NULL
                 WITH CASE WHEN n:Artist THEN 'artist' ELSE toLower(labels(n)[0]) END AS kind, n.claim_status AS s,
                      count(*) AS many ORDER BY kind, s RETURN collect(kind + ' ' + s + ' ' + toString(many))",
                list(&[
                    "artist pending 1",
                    "artist unclaimed 2",
                    "organization claimed 1",
                    "organization unclaimed 1",
                    "venue claimed 1",
                    "venue unclaimed 1",
                ]),
            ),
            // The one lead: anon-9 viewed (t7) and followed (t8). anon-3's touches are Ben's own.
            (
                "MATCH (v:Visitor)-[i:INTERESTED_IN]->(:Event) WHERE NOT (v)-[:IDENTIFIED_AS]->(:Person)
                 OPTIONAL MATCH (v)-[f:FOLLOWS]->(:Artist)
                 WITH v.uid AS who, count(DISTINCT i) AS touches, count(DISTINCT f) AS follows
                 RETURN who + ' ' + toString(touches) + ' ' + toString(follows)",
                text("anon:anon-9 1 1"),
            ),
            // Ana before she came (t4, on her second device): t1 on the first before anybody knew her, then t3 as herself.
            (
                "MATCH (p:Person {name: 'Ana Bello'})-[a:ATTENDED]->(e:Event) MATCH (s)-[i:INTERESTED_IN]->(e)
                 WHERE (s = p OR (s)-[:IDENTIFIED_AS]->(p)) AND i.timestamp <= a.timestamp
                 WITH i ORDER BY i.timestamp RETURN collect(i.mid + ' ' + i.attribution_source + ' ' + i.kind)",
                list(&["t1 instagram/social viewed", "t3 direct ticket_click"]),
            ),
        ];
        for (query, expected) in values {
            let reply = client.ro_query(graph, query, &Params::new()).await.expect("it is a query");
            assert_eq!(reply.rows, [vec![expected]], "{query}");
        }

        // Flow: venue 1 asked and was given in two days, artist 3 asks still, organisation 5 was refused once and asked again.
        let claims = facts.claims.as_ref().expect("claim events are there");
        let moves = |from: &str, to: &str| {
            claims.iter().filter(|claim| (&*claim.from_status, &*claim.to_status) == (from, to)).count()
        };
        assert_eq!(
            [
                ("unclaimed", "pending"),
                ("pending", "claimed"),
                ("pending", "unclaimed"),
                ("claimed", "unclaimed")
            ]
            .map(|(from, to)| moves(from, to)),
            [4, 2, 1, 0]
        );

        let wanted = resolved(&facts, &sonograph::snapshot::tables::Tables::default());
        let tables = read(client, graph).await;
        assert_eq!(
            bytes(&tables),
            bytes(&wanted.to_tables().expect("a graph")),
            "what was read is what was meant"
        );
        is_settled(client, graph, &facts, 1).await;
    });
}

#[test]
fn a_start_with_a_zone_gives_the_graph_that_its_wall_clock_gives() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let Some(scratch) = Scratch::with(&["directus"]).await else { return };
        let graph = async || {
            let facts = scratch.facts().await.expect("the layout can be read");
            resolved(&facts, &Tables::default())
        };
        let by_clock = graph().await;
        scratch
            .run(
                "ALTER TABLE directus.events ALTER start_date TYPE timestamptz
                 USING start_date AT TIME ZONE 'America/New_York'",
            )
            .await;
        let by_instant = graph().await;
        let tables = |graph: &Resolved| bytes(&graph.to_tables().expect("tables"));
        assert_eq!(tables(&by_instant), tables(&by_clock));

        // An instant needs no zone: without one only the clock on the wall is unknown.
        scratch.run("UPDATE directus.venues SET timezone = NULL").await;
        let zoneless = graph().await;
        let events = zoneless.to_tables().expect("tables").nodes["Event"].clone();
        assert_eq!(events.column("starts_at").expect("it is there").null_count(), 0);
        assert!(zoneless.notes.iter().all(|note| !note.what.contains("starts_at")), "{:?}", zoneless.notes);
        assert!(events.column("local_start").is_err());
    });
}
