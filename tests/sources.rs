//! The readers on a real `PostgreSQL` 18: the four layouts as they come, their older generation, and what goes wrong.
#![allow(clippy::print_stderr)] // a test that is skipped says so

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::civil::date;
use sonograph::context::{Context, Diagnose, Fault};
use sonograph::ontology::{Label, Relation, SourceRef};
use sonograph::sources::facts::{Address, End, Facts, NodeFact, Value};
use sonograph::sources::postgres::{touchpoints, twenty, unified};
use sonograph::sources::rows::Touch;
use sonograph::sources::{Databases, SourceError, SourceOptions, layouts, read_facts};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const WORKSPACE: &str = "workspace_1wgvd1injqtife6y4rvfbu3h5";

/// A database of this test's own, dropped with it.
struct Scratch {
    server: url::Url,
    name: String,
}

impl Scratch {
    /// `None`, said aloud, where no server is given.
    async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let given = ["SONOGRAPH_TEST_POSTGRES_URL", "SONOGRAPH_POSTGRES_URL"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
        let Some(server) = given else {
            eprintln!(
                "SKIPPED: set SONOGRAPH_TEST_POSTGRES_URL to a PostgreSQL 18 this test may create databases in"
            );
            return None;
        };
        let server = url::Url::parse(&server).expect("SONOGRAPH_TEST_POSTGRES_URL is a URL");
        let name = format!("sources_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { server, name };
        run(scratch.server.as_str(), &format!("CREATE DATABASE {}", scratch.name)).await;
        Some(scratch)
    }

    /// The database with all four layouts loaded.
    async fn with_layouts() -> Option<Self> {
        let shared = std::env::var("SONOGRAPH_SHARED")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
        let folder = std::path::Path::new(&shared).join("source-layouts");
        if !folder.join("directus.sql").is_file() {
            eprintln!("SKIPPED: set SONOGRAPH_SHARED to the folder that holds source-layouts/");
            return None;
        }
        let scratch = Self::new().await?;
        for layout in ["directus", "twenty", "unified", "touchpoints"] {
            let sql =
                std::fs::read_to_string(folder.join(layout).with_extension("sql")).expect("layout reads");
            // Lines that begin with a backslash speak to psql.
            let sql: Vec<&str> = sql.lines().filter(|line| !line.starts_with('\\')).collect();
            scratch.run(&sql.join("\n")).await;
        }
        Some(scratch)
    }

    fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    async fn run(&self, sql: &str) {
        run(&self.url(), sql).await;
    }

    async fn facts(&self) -> Result<Facts, SourceError> {
        read_facts(&Databases::one(&self.url()), &SourceOptions::default(), &Context::silent()).await
    }

    async fn refusal(&self) -> SourceError {
        self.facts().await.expect_err("the sources cannot be read")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let drop = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(server.as_str(), &sql));
        };
        std::thread::spawn(drop).join().expect("the database of the test is dropped");
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}

fn node<'f>(facts: &'f Facts, reference: &str) -> &'f NodeFact {
    let found = facts.nodes.iter().find(|node| node.source.to_string() == reference);
    found.unwrap_or_else(|| panic!("no fact of {reference}"))
}

/// Both ends of every edge of a relation, in order.
fn edges(facts: &Facts, relation: Relation) -> Vec<(String, String)> {
    let end = |end: &End| match end {
        End::Row(row) => format!("{}:{}", row.table.rsplit('.').next().unwrap_or_default(), row.pk),
        End::Organization { domain, name } => {
            promoter(domain.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default())
        }
        End::Genre(name) => name.clone(),
    };
    let of = facts.edges.iter().filter(|edge| edge.relation == relation);
    let mut told: Vec<_> = of.map(|edge| (end(&edge.src), end(&edge.dst))).collect();
    told.sort();
    told
}

fn promoter(domain: &str, name: &str) -> String {
    format!("{domain}/{name}")
}

fn micros(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("a timestamp").as_microsecond()
}

fn instant(text: &str) -> Value {
    Value::Instant(micros(text) / 1000)
}

/// Facts in an order of their own, because a source may deliver its rows in any.
fn told(mut facts: Facts) -> String {
    facts.nodes.sort_by_key(|node| node.source.clone());
    facts.edges.sort_by_key(|edge| format!("{edge:?}"));
    facts.touches.sort_by_key(|touch| touch.id.clone());
    facts.identifies.sort_by_key(|identify| identify.id.clone());
    facts.read.clear();
    format!("{facts:#?}")
}

#[tokio::test]
async fn the_four_layouts_give_the_facts_their_rows_claim() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let facts = scratch.facts().await.expect("the layouts can be read");

    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    for node in &facts.nodes {
        *counts.entry(node.label).or_default() += 1;
    }
    let expected = BTreeMap::from([
        (Label::Person, 10), // 4 artists (the draft stays) + 3 contacts + 3 users; nothing is merged yet
        (Label::Venue, 3),   // 4 rows, `Closed Club` is archived
        (Label::Event, 3),   // 4 rows, `Cancelled show` is archived
        (Label::Organization, 2), // 3 companies, `Old Promoter Ltd` is soft-deleted; the `_promoter` is company 1
        (Label::Opportunity, 2),
    ]);
    assert_eq!(counts, expected);

    let v = |n: u8| format!("venues:1a000000-0000-4000-8000-00000000000{n}");
    let a = |n: u8| format!("artists:2a000000-0000-4000-8000-00000000000{n}");
    let c = |n: u8| format!("company:0c000000-0000-4000-8000-00000000000{n}");
    let p = |n: u8| format!("person:0d000000-0000-4000-8000-00000000000{n}");
    let o = |n: u8| format!("opportunity:0e000000-0000-4000-8000-00000000000{n}");
    let e = |n: u8| format!("events:{n}");
    let expected: [(Relation, Vec<(String, String)>); 8] = [
        // Each event at the venue row it names; that rows 1 and 3 are one place is found out later.
        (Relation::Hosts, vec![(v(1), e(1)), (v(2), e(2)), (v(3), e(3))]),
        // Of six junction rows one repeats (event 1, DJ Ostara) and one lost its artist.
        (Relation::PerformsAt, vec![(a(1), e(1)), (a(2), e(1)), (a(2), e(2)), (a(3), e(3))]),
        (Relation::WorksFor, vec![(p(1), c(1)), (p(2), c(2))]), // Ana has no company
        (Relation::ContactFor, vec![(p(1), o(1)), (p(2), o(2))]),
        (Relation::ForOrg, vec![(o(1), c(1)), (o(2), c(2))]),
        // Only opportunity 2 is in stage CUSTOMER; it starts at its company, not at its contact.
        (Relation::ConvertedTo, vec![(c(2), o(2))]),
        // csv of artists 1, 2 and 4, json of event 1.
        (
            Relation::HasGenre,
            vec![
                (a(1), "house".into()),
                (a(1), "techno".into()),
                (a(2), "house".into()),
                (a(4), "ambient".into()),
                (e(1), "techno".into()),
            ],
        ),
        // As raw as the rows have it; that the first and third are one domain is found out later.
        (
            Relation::Promotes,
            vec![
                (promoter("https://nightshift.example/tickets", "Night Shift Presents"), e(3)),
                (promoter("nightshift.example", "Night Shift Presents"), e(1)),
                (promoter("www.harbourtouring.co.uk", "Harbour Touring"), e(2)),
            ],
        ),
    ];
    for (relation, expected) in expected {
        assert_eq!(edges(&facts, relation), expected, "{relation}");
    }
    assert_eq!(facts.entities.len(), 7);
    assert_eq!(facts.crosswalk.len(), 6);
    assert_eq!(facts.claims.as_ref().map(Vec::len), Some(7));
    assert_eq!(facts.identifies.len(), 4);
    assert_eq!(facts.touches.len(), 8); // `tracks`; the page view `p1` is no touch
    assert_eq!(facts.aliases.len(), 0);
    let left_out: Vec<_> = facts.read.iter().filter(|read| !read.left_out.is_empty()).collect();
    let left_out: BTreeMap<&str, _> =
        left_out.iter().map(|read| (read.table.as_str(), &*read.left_out)).collect();
    let company = format!("{WORKSPACE}.company");
    let expected: BTreeMap<&str, &[(&str, u64)]> = BTreeMap::from([
        ("directus.venues", &[("archived", 1)][..]),
        ("directus.events", &[("archived", 1)]),
        ("directus.events_artists", &[("duplicate pair", 1), ("half-empty", 1)]),
        (&company, &[("soft-deleted", 1)]),
    ]);
    assert_eq!(left_out, expected);
}

#[tokio::test]
async fn values_arrive_as_the_rows_hold_them() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let facts = scratch.facts().await.expect("the layouts can be read");

    let event = node(&facts, "directus:directus.events:1");
    let start = date(2025, 12, 12).at(21, 0, 0, 0);
    let expected = [
        ("starts_at", Value::WallClock(start)), // a wall clock: no zone until venues are merged
        ("ends_at", instant("2025-12-13T07:00:00Z")),
        ("status", Value::Text("published".into())),
        ("source_url", Value::Text("https://ra.example/e/1".into())),
        ("price_min", Value::Float(15.0)),
    ];
    assert_eq!(event.properties, expected);
    let hosts = facts
        .edges
        .iter()
        .find(|edge| edge.relation == Relation::Hosts && edge.dst == End::Row(event.source.clone()));
    assert_eq!(hosts.expect("event 1 is hosted").properties, [("timestamp", Value::WallClock(start))]);

    // `real` keeps 24 bits: 39.9612 is the nearest of those, not 39.9612.
    let venue = node(&facts, "directus:directus.venues:1a000000-0000-4000-8000-000000000001");
    let location = Value::Point { latitude: 39.961_200_714_111_33, longitude: -82.998_802_185_058_6 };
    let near = venue.properties.iter().find(|(name, _)| *name == "location").map(|(_, value)| value);
    assert!(
        matches!((near, location), (Some(Value::Point { latitude: a, longitude: b }), Value::Point { latitude: c, longitude: d })
        if (a - c).abs() < 1e-13 && (b - d).abs() < 1e-13),
        "{near:?}"
    );
    let unplaced = node(&facts, "directus:directus.venues:1a000000-0000-4000-8000-000000000003");
    assert_eq!(unplaced.properties, [("city", Value::Text("Columbus".into()))]);
    assert_eq!(unplaced.addresses, [Address::PlaceId(" ChIJN1t_tDeuEmsRUsoyG83frY4".into())]); // raw, with its space

    let mara = node(&facts, &format!("twenty:{WORKSPACE}.person:0d000000-0000-4000-8000-000000000001"));
    assert_eq!(
        (mara.label, &*mara.extra_labels, mara.name.as_deref()),
        (Label::Person, &["Contact"][..], Some("Mara Quist"))
    );
    let expected = [
        Address::Email("mara@nightshift.example".into()),
        Address::Email("mara.q@mail.example".into()),
        Address::Instagram("https://www.instagram.com/mara.books/?hl=en".into()),
    ];
    assert_eq!(mara.addresses, expected);
    let opportunity =
        node(&facts, &format!("twenty:{WORKSPACE}.opportunity:0e000000-0000-4000-8000-000000000002"));
    assert!(opportunity.properties.contains(&("amount", Value::Float(9000.0)))); // 9e9 micros
    let converted =
        facts.edges.iter().find(|edge| edge.relation == Relation::ConvertedTo).expect("one is won");
    assert_eq!(converted.properties[0], ("timestamp", instant("2025-12-01T10:00:00Z"))); // from the timeline

    let ana = node(&facts, "touchpoints:sonik_web.users:u-ana");
    assert_eq!((&*ana.extra_labels, ana.name.as_deref()), (&["Fan"][..], Some("Ana Bello")));
    // Every spelling seen; trimming and hashing is resolving.
    let expected = [
        Address::User("u-ana".into()),
        Address::Email("Ana@Fans.example ".into()),
        Address::Email("ana@fans.example".into()),
    ];
    assert_eq!(ana.addresses, expected);

    let touch = |id: &str| facts.touches.iter().find(|touch| touch.id == id).expect("the touch is read");
    let late = touch("t4"); // loaded an hour after it happened
    assert_eq!(late.received_at - late.at, 3_600_000_000);
    let event = || Some("1".to_owned());
    assert_eq!(touch("t1").touch, Touch::Viewed { event: event() });
    assert_eq!(touch("t1").source.as_deref(), Some("instagram"));
    let content_url = Some("https://sonik.example/e/1".to_owned());
    let shared =
        Touch::Shared { content_url, event: event(), channel: Some("whatsapp".to_owned()), parent: None };
    assert_eq!(touch("t2").touch, shared);
    assert_eq!(touch("t3").touch, Touch::TicketClicked { event: event() });
    assert_eq!(touch("t6").touch, Touch::Attended { event: event() });
    let artist = Some("2a000000-0000-4000-8000-000000000002".to_owned());
    assert_eq!(touch("t8").touch, Touch::ArtistFollowed { artist });
}

#[tokio::test]
async fn the_older_generation_of_twenty_gives_the_same_facts() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let newer = scratch.facts().await.expect("the layouts can be read");
    scratch
        .run(&format!(
            r#"CREATE SCHEMA metadata; ALTER TABLE core."objectMetadata" SET SCHEMA metadata;
               ALTER TABLE core."fieldMetadata" SET SCHEMA metadata; SET search_path = {WORKSPACE};
               ALTER TABLE "noteTarget" RENAME "targetPersonId" TO "personId";
               ALTER TABLE "noteTarget" RENAME "targetCompanyId" TO "companyId";
               ALTER TABLE "noteTarget" RENAME "targetOpportunityId" TO "opportunityId";
               ALTER TABLE "timelineActivity" RENAME "targetPersonId" TO "personId";
               ALTER TABLE "timelineActivity" RENAME "targetCompanyId" TO "companyId";
               ALTER TABLE "timelineActivity" RENAME "targetOpportunityId" TO "opportunityId";
               ALTER TABLE opportunity DROP COLUMN "ownerId"; ALTER TABLE person DROP COLUMN city;
               ALTER TABLE company DROP COLUMN "updatedBySource", DROP COLUMN "updatedByName";
               UPDATE core.workspace SET "databaseSchema" = '';"#
        ))
        .await;
    let older = scratch.facts().await.expect("the older layout can be read");
    assert_eq!(told(older), told(newer));
}

#[tokio::test]
async fn what_an_installation_lacks_counts_as_empty() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "DROP TABLE unified.claim_events, unified.entity_sources, sonik_web.aliases, sonik_web.users,
                        sonik_web.user_followed, sonik_web.event_attended;
             ALTER TABLE sonik_web.tracks DROP COLUMN context_campaign_source, DROP COLUMN context_session_id;
             ALTER TABLE directus.venues DROP COLUMN timezone, DROP COLUMN latitude;
             ALTER TABLE directus.events DROP COLUMN tags, DROP COLUMN end_date;",
        )
        .await;
    let facts = scratch.facts().await.expect("optional tables and columns may be missing");
    assert_eq!((facts.entities.len(), facts.crosswalk.len(), facts.claims.clone()), (7, 0, None));
    assert_eq!(unified::claim_events_companion(&facts).expect("no frame").map(|frame| frame.height()), None);
    assert_eq!(facts.touches.len(), 8);
    assert!(facts.touches.iter().any(|touch| touch.touch == Touch::Attended { event: None }));
    assert!(facts.touches.iter().all(|touch| touch.source.is_none() && touch.session.is_none()));
    // Without `users` people are still known by their identifies.
    assert_eq!(node(&facts, "touchpoints:sonik_web.users:u-ben").name.as_deref(), Some("Ben Ode"));

    let found = layouts(&Databases::one(&scratch.url()), &SourceOptions::default(), &Context::silent()).await;
    let found = found.expect("the database answers");
    assert!(found[0].version >= 18, "the tests are made for PostgreSQL 18");
    let told: Vec<_> = found[0]
        .sources
        .iter()
        .map(|source| (source.name, source.found.as_ref().ok().cloned().flatten()))
        .collect();
    let schemas: Vec<_> =
        told.iter().map(|(name, found)| (*name, found.as_ref().map(|found| found.schema.as_str()))).collect();
    let expected = [
        ("directus", Some("directus")),
        ("twenty", Some(WORKSPACE)),
        ("unified", Some("unified")),
        ("touchpoints", Some("sonik_web")),
    ];
    assert_eq!(schemas, expected);
    let notes = |source: usize| told[source].1.as_ref().expect("found").notes.join(", ");
    assert_eq!(notes(0), "release 20260909A, lineup through events_artists");
    assert_eq!(notes(2), "no entity_sources, no claim_events");
    let venues = &found[0].sources[0].tables[0];
    assert_eq!((venues.table.as_str(), venues.rows), ("directus.venues", 4));
    assert_eq!(venues.newest, Some(micros("2025-12-01T08:00:00Z")));
    assert!(venues.missing.contains(&"`timezone` or `time_zone` or `tz`".to_owned()), "{:?}", venues.missing);
}

#[tokio::test]
async fn only_an_entry_into_the_won_set_is_a_conversion() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(&format!(
            r#"SET search_path = {WORKSPACE};
               ALTER TYPE opportunity_stage_enum ADD VALUE 'RENEWED';
               INSERT INTO "timelineActivity"("happensAt",name,properties,"targetOpportunityId") VALUES
                ('2025-12-02T10:00:00Z','opportunity.updated','{{"diff":{{"stage":{{"before":"CUSTOMER","after":"MEETING"}}}}}}','0e000000-0000-4000-8000-000000000002'),
                ('2025-12-05T10:00:00Z','opportunity.updated','{{"before":{{"stage":"MEETING"}},"after":{{"stage":"CUSTOMER"}}}}','0e000000-0000-4000-8000-000000000002'),
                ('2025-12-07T10:00:00Z','opportunity.updated','{{"diff":{{"stage":{{"before":"CUSTOMER","after":"RENEWED"}}}}}}','0e000000-0000-4000-8000-000000000002'),
                ('2025-12-08T10:00:00Z','opportunity.updated','{{"diff":{{"name":{{"before":"a","after":"b"}}}},"after":{{"stage":"RENEWED"}}}}','0e000000-0000-4000-8000-000000000002');"#
        ))
        .await;
    scratch
        .run(&format!(
            r#"UPDATE {WORKSPACE}.opportunity SET stage = 'RENEWED' WHERE stage = 'CUSTOMER';
               UPDATE {WORKSPACE}.company SET "deletedAt" = now() WHERE name = 'Harbour Touring';"#
        ))
        .await;
    let won_stages = vec!["CUSTOMER".to_owned(), "RENEWED".to_owned()];
    let options = SourceOptions { won_stages, ..SourceOptions::default() };
    let facts =
        read_facts(&Databases::one(&scratch.url()), &options, &Context::silent()).await.expect("reads");
    let converted: Vec<_> =
        facts.edges.iter().filter(|edge| edge.relation == Relation::ConvertedTo).collect();
    // Left the set on the 2nd and came back on the 5th; the 7th moves inside it, the 8th changes another field.
    assert_eq!(converted.len(), 1);
    assert_eq!(converted[0].properties[0], ("timestamp", instant("2025-12-05T10:00:00Z")));
    // Its company is gone, so it starts at its contact.
    let contact =
        SourceRef::new("twenty", format!("{WORKSPACE}.person"), "0d000000-0000-4000-8000-000000000002");
    assert_eq!(converted[0].src, End::Row(contact));
}

#[tokio::test]
async fn companions_have_the_same_rows_whatever_order_they_came_in() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let mut facts = scratch.facts().await.expect("the layouts can be read");
    let touches = touchpoints::companion(&facts).expect("a frame");
    let claims = unified::claim_events_companion(&facts).expect("a frame").expect("claim_events is there");
    assert_eq!((touches.height(), claims.height()), (8, 7));
    facts.touches.reverse();
    facts.claims.as_mut().expect("claims").reverse();
    assert!(touches.equals_missing(&touchpoints::companion(&facts).expect("a frame")));
    assert!(
        claims.equals_missing(&unified::claim_events_companion(&facts).expect("a frame").expect("claims"))
    );
    for column in touches.columns().iter().filter_map(|column| column.str().ok()) {
        assert!(
            column.iter().flatten().all(|text| !text.contains('@')),
            "an e-mail address in {}",
            column.name()
        );
    }
    let text = |column: &str, row: usize| {
        touches.column(column).expect("column").str().expect("text").get(row).map(str::to_owned)
    };
    assert_eq!(text("mid", 0).as_deref(), Some("t1")); // the earliest
    assert_eq!(text("object", 0).as_deref(), Some("directus:directus.events:1"));
    assert_eq!(text("object", 1).as_deref(), Some("https://sonik.example/e/1"));
    assert_eq!(text("about", 1).as_deref(), Some("directus:directus.events:1"));
}

#[tokio::test]
async fn a_row_that_cannot_be_taken_is_named_and_its_value_is_not() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "ALTER TABLE directus.events ALTER price_min TYPE text;
             UPDATE directus.events SET price_min = 'ask ana@fans.example' WHERE id = 2;",
        )
        .await;
    let error = scratch.refusal().await;
    assert_eq!(
        error.to_string(),
        "row `2` of table `directus.events` of directus: column `price_min` is not a number"
    );
    assert_eq!(error.fault(), Fault::Environment);
    scratch.run("UPDATE directus.events SET price_min = NULL, start_date = 'infinity' WHERE id = 2;").await;
    let told = scratch.refusal().await.to_string();
    assert_eq!(told, "row `2` of table `directus.events` of directus: column `start_date` is infinite");
    scratch.run("ALTER TABLE directus.events DROP start_date, ADD start_date timestamptz;").await;
    let told = scratch.refusal().await.to_string();
    let expected = "column `start_date` of table `directus.events` of directus is of type timestamp with time zone, \
                    wanted a timestamp without time zone, or a date";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn legal_but_odd_content_is_taken() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            r#"UPDATE directus.events SET start_date = '0001-01-01', end_date = '9999-12-31T23:59:59Z', tags = 'null',
                 name = E'\u202Eevil\u200B' WHERE id = 1;
               UPDATE directus.events SET external_id = 9223372036854775807, promoter_domain = '', promoter_name = '' WHERE id = 2;
               UPDATE directus.artists SET genres = ',, techno ,', name = repeat('x', 255) WHERE name = 'DJ Ostara';
               UPDATE directus.venues SET latitude = 'NaN' WHERE latitude IS NULL AND false;
               UPDATE sonik_web.tracks SET "timestamp" = NULL, user_id = '' WHERE id = 't1';
               UPDATE sonik_web.tracks SET event = 'Some Other Event' WHERE id = 't5';"#,
        )
        .await;
    let facts = scratch.facts().await.expect("odd rows are legal");
    assert_eq!(edges(&facts, Relation::Promotes).len(), 2); // '' is no promoter
    let touch = |id: &str| facts.touches.iter().find(|touch| touch.id == id).expect("the touch is read");
    assert_eq!(touch("t1").at, touch("t1").received_at); // no clock of its own
    assert_eq!(touch("t1").user_id, None);
    assert_eq!(touch("t5").touch, Touch::Other { action: "Some Other Event".to_owned() });
}

#[tokio::test]
async fn what_may_not_be_read_is_an_error_and_never_an_empty_table() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let role = format!("reader_of_{}", scratch.name);
    let mut url = url::Url::parse(&scratch.url()).expect("a URL");
    url.set_username(&role).expect("a user");
    url.set_password(Some("pa%2Fss")).expect("a password");
    scratch.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pa/ss'")).await;
    let read = async || {
        let read =
            read_facts(&Databases::one(url.as_str()), &SourceOptions::default(), &Context::silent()).await;
        read.map(|facts| facts.nodes.len())
    };

    let nothing = read().await.expect_err("no privilege at all");
    let everything =
        "GRANT USAGE ON SCHEMA directus, core, unified, sonik_web, workspace_1wgvd1injqtife6y4rvfbu3h5 TO";
    scratch.run(&format!("{everything} {role}")).await;
    for schema in ["directus", "core", "unified", "sonik_web", WORKSPACE] {
        scratch.run(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")).await;
    }
    let granted = read().await;
    scratch.run(&format!("REVOKE SELECT ON directus.venues FROM {role}")).await;
    let revoked = read().await.expect_err("one table is missing its grant");
    scratch
        .run(&format!("GRANT SELECT ON directus.venues TO {role}; ALTER TABLE directus.artists ENABLE ROW LEVEL SECURITY"))
        .await;
    let hidden = read().await.expect_err("row-level security hides rows");
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;

    assert!(matches!(nothing, SourceError::Denied { .. }), "{nothing}");
    assert_eq!(granted.expect("SELECT is all that is needed"), 20);
    assert!(
        revoked.to_string().starts_with(&format!("role `{role}` may not read `directus.venues.id`")),
        "{revoked}"
    );
    assert!(revoked.hint().is_some_and(|hint| hint.contains("GRANT SELECT")));
    assert!(
        hidden.to_string().starts_with("row-level security hides rows of `directus.artists`"),
        "{hidden}"
    );
}

#[tokio::test]
async fn each_way_of_not_getting_in_says_which_and_never_shows_the_password() {
    let Some(scratch) = Scratch::new().await else { return };
    let with = |change: &dyn Fn(&mut url::Url)| {
        let mut url = url::Url::parse(&scratch.url()).expect("a URL");
        change(&mut url);
        url.to_string()
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("its number")
        .port();
    let (host, port) = (scratch.server.host_str().expect("a host"), scratch.server.port().unwrap_or(5432));
    let user = scratch.server.username();
    let name = &scratch.name;
    let cases = [
        (
            with(&|url| url.set_password(Some("wr0ng-s3cret")).expect("set")),
            format!("PostgreSQL at {host}:{port}/{name} refused the password of user `{user}`"),
        ),
        (
            with(&|url| url.set_port(Some(closed)).expect("set")),
            format!("cannot reach PostgreSQL at {host}:{closed}/{name}"),
        ),
        (
            with(&|url| url.set_path("no_such")),
            format!("PostgreSQL at {host}:{port}/no_such has no database `no_such`"),
        ),
        (
            "redis://:s3cret@localhost".to_owned(),
            "the PostgreSQL URL cannot be used: it does not begin with postgresql://".to_owned(),
        ),
        (
            "postgresql://u:s3cret@[bad".to_owned(),
            "the PostgreSQL URL cannot be used: a part of it is malformed".to_owned(),
        ),
        (
            scratch.url(),
            format!("found no layout of directus, twenty, unified, touchpoints at {host}:{port}/{name}"),
        ),
    ];
    for (url, expected) in cases {
        let read = read_facts(&Databases::one(&url), &SourceOptions::default(), &Context::silent()).await;
        let error = read.expect_err(&expected);
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some(), "{error}");
        let everything = format!("{error:?} {}", error.hint().unwrap_or_default());
        assert!(!everything.contains("s3cret"), "{everything}");
    }
}

#[tokio::test]
async fn two_schemas_with_the_same_layout_need_a_choice() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(
            "CREATE SCHEMA sonik_ios; CREATE TABLE sonik_ios.tracks (LIKE sonik_web.tracks);
              CREATE TABLE sonik_ios.identifies (LIKE sonik_web.identifies)",
        )
        .await;
    let error = scratch.refusal().await;
    assert!(error.to_string().ends_with("hold the layout of touchpoints: sonik_ios, sonik_web"), "{error}");
    assert_eq!(error.fault(), Fault::Input);
    let choose = |schema: &str| SourceOptions {
        schemas: BTreeMap::from([("touchpoints".to_owned(), schema.to_owned())]),
        ..SourceOptions::default()
    };
    let (databases, cx) = (Databases::one(&scratch.url()), Context::silent());
    let chosen = read_facts(&databases, &choose("sonik_ios"), &cx).await.expect("the choice is taken");
    assert_eq!((chosen.touch_schema.as_str(), chosen.touches.len()), ("sonik_ios", 0));
    let wrong = read_facts(&databases, &choose("directus"), &cx).await.expect_err("no touchpoints there");
    assert!(matches!(wrong, SourceError::SchemaMissing { .. }), "{wrong}");
}

#[tokio::test]
async fn one_source_may_live_in_a_database_of_its_own() {
    let (Some(scratch), Some(other)) = (Scratch::with_layouts().await, Scratch::with_layouts().await) else {
        return;
    };
    scratch.run(&format!("DROP SCHEMA core CASCADE; DROP SCHEMA {WORKSPACE} CASCADE")).await;
    other.run("DROP SCHEMA directus, unified, sonik_web CASCADE").await;
    let databases = Databases::one(&scratch.url()).with("twenty", &other.url());
    let facts =
        read_facts(&databases, &SourceOptions::default(), &Context::silent()).await.expect("both are read");
    assert_eq!(facts.nodes.len(), 20);
}

#[tokio::test]
async fn reading_changes_nothing_and_could_not() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let mut session = sonograph::sources::postgres::Session::open(&scratch.url()).await.expect("opens");
    let refused = session.rows("DELETE FROM directus.events_artists", "a write", None).await;
    let refused = refused.expect_err("the transaction is read-only").to_string();
    assert!(
        refused.ends_with("cannot execute DELETE in a read-only transaction (SQLSTATE 25006)"),
        "{refused}"
    );
    session.close().await;
}

#[test]
fn a_workspace_schema_is_its_uuid_in_base_36() {
    let expected = [
        ("20202020-1c25-4d02-bf25-6aeccf7ea419", Some(WORKSPACE)),
        ("00000000-0000-0000-0000-000000000001", Some("workspace_1")),
        ("00000000-0000-0000-0000-000000000000", Some("workspace_0")),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", Some("workspace_f5lxx1zz5pnorynqglhzmsp33")),
        ("not a uuid", None),
    ];
    for (uuid, schema) in expected {
        assert_eq!(twenty::computed_schema(uuid).as_deref(), schema, "{uuid}");
    }
}
