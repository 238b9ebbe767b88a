//! A run that reads only what may have changed plans what a full one plans, whatever happened to the sources in between.

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use sonograph::context::Context;
use sonograph::mirror::{self, Extent, Position, ResolveOptions, Since, Summary, SweepGuard};
use sonograph::sources::falkordb::Client;
use sonograph::sources::falkordb::marker::{Marker, Progress};
use sonograph::sources::postgres::grants::{readings, script};
use sonograph::sources::{Databases, SourceOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::command_line::{Runs, mirror as command};
use crate::graph::{all, with_graph};
use crate::scratch::Scratch;

/// A source that changes, and the graph that follows it.
pub(crate) struct World<'c> {
    pub scratch: Scratch,
    pub client: &'c mut Client,
    graph: &'c str,
    /// How the sources are read.
    pub sources: SourceOptions,
    /// Where the last run read the touches.
    position: Option<Position>,
    /// Where touches are.
    pub schema: &'static str,
    /// Whether a row lacks a stamp.
    unstamped: bool,
    /// Whether transactions of others are waited for.
    waits: bool,
}

/// Waits until transactions of others on the server are over that began before: they would hold the boundary back, and more be
/// read than need be.
async fn quiet(scratch: &Scratch) {
    let now = scratch.count("SELECT pg_current_xact_id()::text::bigint").await;
    for _ in 0..200 {
        if scratch.count("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").await > now {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

impl<'c> World<'c> {
    pub async fn begin(scratch: Scratch, client: &'c mut Client, graph: &'c str) -> Self {
        Self::begin_with(scratch, client, graph, SourceOptions::default()).await
    }

    pub async fn begin_with(
        scratch: Scratch,
        client: &'c mut Client,
        graph: &'c str,
        sources: SourceOptions,
    ) -> Self {
        quiet(&scratch).await;
        let mut world = Self {
            scratch,
            client,
            graph,
            sources,
            position: None,
            schema: "sonik_web",
            unstamped: false,
            waits: true,
        };
        world.run(None).await;
        world
    }

    /// What a run would do; `since`: reading only what may have changed. Writes it where that is wanted.
    pub async fn plan(&mut self, since: Option<Since>, write: bool) -> (Summary, String, Option<Extent>) {
        let cx = Context::silent();
        let databases = Databases::one(&self.scratch.url());
        let resolving = ResolveOptions::default();
        let graph = (&mut *self.client, self.graph);
        let read = mirror::read_since(graph, &databases, &self.sources, &resolving, since.map(Ok), &cx)
            .await
            .expect("the graph and the sources are read");
        let mut plan = mirror::plan(&read.resolved, &read.current).expect("a plan");
        let summary = plan.summary().expect("a summary");
        if write {
            mirror::apply(self.client, self.graph, &plan, &cx).await.expect("it is written");
            self.position = read.position.ok();
        }
        SweepGuard::default().hold_back(&mut plan).expect("a plan");
        let guarded = plan.summary().expect("a summary").digest;
        (summary, guarded, read.extent)
    }

    /// The tables and relations that a full run would not sweep.
    pub async fn held_back(&mut self, guard: &SweepGuard) -> Vec<String> {
        let (cx, databases) = (Context::silent(), Databases::one(&self.scratch.url()));
        let (graph, resolving) = ((&mut *self.client, self.graph), ResolveOptions::default());
        let read = mirror::read_since(graph, &databases, &self.sources, &resolving, None, &cx).await;
        let read = read.expect("the graph and the sources are read");
        let mut plan = mirror::plan(&read.resolved, &read.current).expect("a plan");
        guard.hold_back(&mut plan).expect("a plan");
        plan.held_back.iter().map(|held| held.of.clone()).collect()
    }

    pub fn since(&self) -> Since {
        let position = self.position.clone().expect("the last run noted where it read");
        Since { position, overlap: SignedDuration::from_mins(5) }
    }

    /// One run, and how much of the touches it read.
    pub async fn run(&mut self, since: Option<Since>) -> Option<Extent> {
        self.plan(since, true).await.2
    }

    /// Reading what may have changed plans what reading everything does, and is applied.
    pub async fn agrees(&mut self, what: &str) -> Extent {
        let (full, guarded, _) = self.plan(None, false).await;
        let since = self.since();
        let (part, part_guarded, _) = self.plan(Some(since.clone()), false).await;
        assert_eq!(part.digest, full.digest, "{what}: {:#?}\n{:#?}", part.samples, full.samples);
        assert_eq!(part.notes, full.notes, "{what}");
        assert_eq!(part, full, "{what}");
        assert_eq!(part_guarded, guarded, "{what}: the guard");
        let extent = self.run(Some(since)).await.expect("it was asked for");
        assert_eq!(extent.whole, None, "{what}");
        extent
    }

    /// After this was done to the sources.
    pub async fn after(&mut self, what: &str, sql: &str) -> Extent {
        self.scratch.run(&format!("SET search_path = {}; {sql}", self.schema)).await;
        if self.waits {
            quiet(&self.scratch).await;
        }
        self.agrees(what).await
    }
}

/// A touch of an event: id, what, when it was loaded (minutes from noon), device, user, event.
pub(crate) fn touch(
    id: &str,
    action: &str,
    minute: i64,
    device: Option<&str>,
    user: Option<&str>,
    event: u32,
) -> String {
    let text = |value: Option<&str>| value.map_or("NULL".to_owned(), |value| format!("'{value}'"));
    let at = format!("timestamptz '2025-12-10T12:00:00Z' + interval '{minute} minutes'");
    format!(
        "INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, user_id, event, context_campaign_source)
           VALUES ('{id}', {at}, {at}, {}, {}, '{action}', 'radio');
         INSERT INTO {action}(id, received_at, \"timestamp\", event_id) VALUES ('{id}', {at}, {at}, {event});\n",
        text(device),
        text(user),
    )
}

/// The layouts' sample with more touches in it.
async fn sample() -> Option<Scratch> {
    let scratch = Scratch::with_layouts().await?;
    let devices = ["anon-1", "anon-2", "anon-3", "anon-9", "anon-20", "anon-21"];
    let actions = ["event_viewed", "ticket_link_clicked", "event_attended"];
    let mut sql = "SET search_path = sonik_web;".to_owned();
    for n in 0..90_u32 {
        let at = |few: usize| n as usize % few;
        let user = [None, None, Some("u-ana"), Some("u-ben"), Some("u-dee")][at(5)];
        sql += &touch(&format!("m{n}"), actions[at(3)], i64::from(n), Some(devices[at(6)]), user, n % 4 + 1);
    }
    // Most devices are seen twice and never again.
    for n in 0..120_u32 {
        let device = format!("lone-{}", n / 2);
        sql +=
            &touch(&format!("l{n}"), actions[n as usize % 2], i64::from(n), Some(&device), None, n % 3 + 1);
    }
    scratch.run(&sql).await;
    Some(scratch)
}

#[test]
fn what_changed_between_two_runs_is_found_without_reading_the_rest() {
    with_graph("incremental", async |client, graph| {
        let Some(scratch) = sample().await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        // Touches of an event that is not there are read again every time, and those by whom nobody knows.
        let nothing = world.after("nothing", "").await;
        let homeless = nothing.read;
        assert!(nothing.skipped > 150 && homeless < 60, "{nothing:?}");

        let new = touch("n1", "event_viewed", 200, Some("anon-30"), None, 1);
        let extent = world.after("new rows", &new).await;
        assert_eq!((extent.read, extent.skipped), (homeless + 1, nothing.skipped));
        let late = touch("n2", "event_viewed", -9000, Some("anon-31"), Some("u-ana"), 2);
        world.after("a late row with an old stamp", &late).await;
        let late = touch("n4", "event_viewed", -9000, Some("lone-7"), None, 2);
        let extent = world.after("a late row of somebody who did something before", &late).await;
        assert_eq!(extent.read, homeless + 3, "with what the device did before");
        world.after("news", &touch("n3", "event_viewed", 1000, Some("anon-31"), None, 2)).await;

        for (what, sql) in [
            ("an update that no stamp tells", "UPDATE event_viewed SET event_id = 3 WHERE id = 'm0'"),
            ("another source of a visit", "UPDATE tracks SET context_campaign_source = 'tv' WHERE id = 'm0'"),
            ("of one device", "UPDATE event_viewed SET event_id = 2 WHERE id = 'l0'"),
            ("another device's", "UPDATE tracks SET anonymous_id = 'lone-1' WHERE id = 'l0'"),
            (
                "one goes and one comes",
                "DELETE FROM tracks WHERE id = 'l10';
                 INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, event)
                   SELECT 'n6', '2025-12-01Z', '2025-12-01Z', anonymous_id, event FROM tracks WHERE id = 'l11'",
            ),
            ("another device", "UPDATE tracks SET anonymous_id = 'anon-40' WHERE id = 'm5'"),
            ("another user", "UPDATE tracks SET user_id = 'u-ben' WHERE id = 'm5'"),
            ("another time", "UPDATE tracks SET \"timestamp\" = '2025-12-01T00:00:00Z' WHERE id = 'm7'"),
            ("a kind that becomes no edge", "UPDATE tracks SET event = 'page_scrolled' WHERE id = 'm10'"),
            ("and back", "UPDATE tracks SET event = 'ticket_link_clicked' WHERE id = 'm10'"),
            ("deleted messages", "DELETE FROM tracks WHERE id IN ('m1', 'm2', 'n3')"),
            ("a message whose properties were deleted", "DELETE FROM event_viewed WHERE id = 'm12'"),
            ("and come late", "INSERT INTO event_viewed(id, event_id) VALUES ('m12', 2)"),
            (
                "properties of a message that comes late",
                "INSERT INTO event_viewed(id, event_id) VALUES ('n5', 2)",
            ),
        ] {
            let extent = world.after(what, sql).await;
            assert!(extent.skipped > 100, "{what}: {extent:?}");
        }
        for (what, sql) in [
            (
                "a word in place of a device",
                "UPDATE tracks SET anonymous_id = E' NULL\\n' WHERE id IN ('m4', 'm8')",
            ),
            ("one in place of a user", "UPDATE tracks SET user_id = 'Undefined' WHERE id IN ('m8', 'm13')"),
            ("and both at last", "UPDATE tracks SET anonymous_id = 'n/a', user_id = 'NIL' WHERE id = 'm13'"),
        ] {
            world.after(what, sql).await;
        }
        let extent = world
            .after("a row without a stamp", "UPDATE tracks SET received_at = NULL WHERE id IN ('m14', 'm20')")
            .await;
        assert_eq!(extent.unstamped, 2);
        let homeless = extent.read;
        assert_eq!(world.after("which is read again", "").await.read, homeless);
        world.scratch.run("VACUUM (FREEZE, FULL) sonik_web.tracks").await;
        assert_eq!(world.agrees("rows are frozen").await.read, homeless);
    });
}

#[test]
fn who_somebody_is_may_change_without_a_change_to_what_they_did() {
    with_graph("incremental_who", async |client, graph| {
        let Some(scratch) = sample().await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        let identify = |id: &str, device: &str, user: &str, email: &str| {
            format!(
                "INSERT INTO identifies(id, received_at, \"timestamp\", anonymous_id, user_id, email)
                 VALUES ('{id}', '2025-12-01Z', '2025-12-01Z', '{device}', '{user}', '{email}')"
            )
        };
        let entity = "3a000000-0000-7000-8000-0000000000aa";
        let walk = |user: &str, entity: &str| {
            format!(
                "INSERT INTO unified.entity_sources(entity_id, source_system, source_table, source_id, match_rule)
                 VALUES ('{entity}', 'touchpoints', 'sonik_web.users', '{user}', 'manual')"
            )
        };
        let owned = identify("i9", "anon-9", "u-dee", "dee@fans.example");
        let known = identify("i10", "anon-20", "u-eve", "ben@fans.example");
        let shared = identify("i11", "anon-9", "u-ana", "ana@fans.example");
        let (ana, ben) = (walk("u-ana", entity), walk("u-ben", entity));
        for (what, sql) in [
            ("an event is archived", "UPDATE directus.events SET status = 'archived' WHERE id = 1"),
            ("and back", "UPDATE directus.events SET status = 'published' WHERE id = 1"),
            (
                "an event comes that touches name",
                "UPDATE directus.events SET status = 'published' WHERE id = 4",
            ),
            ("a device is identified", &owned),
            ("as somebody known by e-mail", &known),
            ("a device becomes shared", &shared),
            ("and is not any more", "DELETE FROM identifies WHERE id = 'i11'"),
            (
                "an alias joins two users",
                "INSERT INTO aliases(id, received_at, \"timestamp\", previous_id, user_id) VALUES ('a1', '2025-12-01Z', '2025-12-01Z', 'u-dee', 'u-cy')",
            ),
            (
                "and a device",
                "INSERT INTO aliases(id, received_at, \"timestamp\", previous_id, user_id) VALUES ('a2', '2025-12-01Z', '2025-12-01Z', 'anon-21', 'u-ben')",
            ),
            ("an alias goes", "DELETE FROM aliases WHERE id = 'a1'"),
            (
                "an entity comes",
                &format!(
                    "INSERT INTO unified.entities(id, entity_type, claim_status, metadata) VALUES ('{entity}', 'person', 'unclaimed', '{{}}')"
                ),
            ),
            ("a user becomes another person by the crosswalk", &ana),
            ("and another the same", &ben),
            ("and nobody again", &format!("DELETE FROM unified.entities WHERE id = '{entity}'")),
            ("a user follows nobody any more", "DELETE FROM tracks WHERE id = 't8'"),
        ] {
            world.after(what, sql).await;
        }
        let edge = "MATCH ()-[e:INTERESTED_IN]->() WITH e ORDER BY e.mid LIMIT 3 DELETE e";
        all(world.client, graph, &[edge]).await;
        world.agrees("edges that somebody took out of the graph").await;
    });
}

#[test]
fn a_transaction_that_was_long_at_work_is_seen_whatever_stamps_say() {
    with_graph("incremental_slow", async |client, graph| {
        let Some(scratch) = sample().await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        world.waits = false;
        let mut slow = PgConnection::connect(&world.scratch.url()).await.expect("the server answers");
        let work = format!(
            "BEGIN; SET LOCAL search_path = sonik_web; {} UPDATE event_viewed SET event_id = 3 WHERE id = 'm3'; \
             UPDATE tracks SET context_campaign_source = 'slow' WHERE id = 'm4';",
            touch("s1", "event_viewed", -500, Some("anon-50"), None, 1)
        );
        sqlx::raw_sql(AssertSqlSafe(work)).execute(&mut slow).await.expect("it works");
        // Others are quicker: the watermark passes the slow one, and so do the numbers of transactions.
        for n in 0..3 {
            let quick = touch(&format!("q{n}"), "event_viewed", 5000 + n * 100, Some("anon-51"), None, 2);
            world.after("a quick transaction", &quick).await;
        }
        let boundary = world.position.as_ref().expect("a position").boundary;
        world.after("another", "UPDATE tracks SET context_campaign_source = 'tv' WHERE id = 'm6'").await;
        assert_eq!(world.position.as_ref().expect("a position").boundary, boundary, "it holds the boundary");
        sqlx::raw_sql("COMMIT").execute(&mut slow).await.expect("it is over");
        slow.close().await.expect("closed");
        let (full, ..) = world.plan(None, false).await;
        assert_eq!(
            (full.edges["INTERESTED_IN"].create, full.edges["INTERESTED_IN"].update),
            (2, 1),
            "{full:#?}"
        );
        world.agrees("a slow transaction committed").await;
        world.after("rows of which nothing was read before", "
            CREATE TABLE other (LIKE tracks INCLUDING ALL);
            INSERT INTO other SELECT * FROM tracks; UPDATE other SET context_campaign_source = 'cinema' WHERE id = 'm9';").await;
        world
            .after(
                "take the place of those that were",
                "ALTER TABLE tracks RENAME TO earlier; ALTER TABLE other RENAME TO tracks;",
            )
            .await;
    });
}

#[test]
fn a_message_that_was_loaded_more_than_once_is_one_touch_as_in_a_full_reading() {
    with_graph("incremental_twice", async |client, graph| {
        let Some(scratch) = sample().await else { return };
        scratch.run("ALTER TABLE sonik_web.tracks DROP CONSTRAINT tracks_pkey; ALTER TABLE sonik_web.event_viewed DROP CONSTRAINT event_viewed_pkey").await;
        let mut world = World::begin(scratch, client, graph).await;
        let again = |id: &str, minutes: i64| {
            format!(
                "INSERT INTO tracks SELECT id, received_at, uuid_ts, sent_at, original_timestamp,
                   \"timestamp\" + interval '{minutes} minutes', 'anon-60', NULL, event FROM tracks WHERE id = '{id}' LIMIT 1"
            )
        };
        for (what, sql) in [
            ("a later twin", again("m3", 7)),
            ("an earlier twin", again("m9", -7)),
            (
                "the earlier one goes",
                "DELETE FROM tracks WHERE id = 'm9' AND anonymous_id = 'anon-60'".to_owned(),
            ),
            (
                "a twin of another kind",
                "INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, event)
                VALUES ('m15', '2025-12-10Z', '2025-12-01Z', 'anon-61', 'something_else')"
                    .to_owned(),
            ),
            ("twins of properties", "INSERT INTO event_viewed(id, event_id) VALUES ('m18', 2)".to_owned()),
        ] {
            world.after(what, &sql).await;
            world.after("and once more", "").await;
        }
    });
}

#[test]
fn any_mix_of_changes_gives_the_plan_of_a_full_reading() {
    const SEED: u64 = 11;
    with_graph("incremental_mix", async |client, graph| {
        let Some(scratch) = sample().await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        let (mut rng, mut skipped) = (StdRng::seed_from_u64(SEED), 0);
        for step in 0..30 {
            let mut sql = String::new();
            for _ in 0..rng.random_range(1..6_u8) {
                sql += &edit(&mut rng, step);
                sql.push(';');
            }
            let extent = world.after(&format!("seed {SEED}, step {step}: {sql}"), &sql).await;
            skipped += extent.skipped;
        }
        assert!(skipped > 30 * 50, "little was left unread: {skipped}");
    });
}

fn edit(rng: &mut StdRng, step: i64) -> String {
    let users = ["u-ana", "u-ben", "u-cy", "u-dee", "u-eve"];
    let devices = [
        "anon-1", "anon-2", "anon-3", "anon-9", "anon-20", "anon-21", "anon-70", "lone-1", "lone-2",
        "lone-30",
    ];
    let actions = ["event_viewed", "ticket_link_clicked", "event_attended"];
    let of = |rng: &mut StdRng, all: &[&'static str]| *all.choose(rng).expect("there are some");
    let (user, device, action) = (of(rng, &users), of(rng, &devices), of(rng, &actions));
    let (message, event, key) = (
        format!("{}{}", of(rng, &["m", "l"]), rng.random_range(0..90_u8)),
        rng.random_range(1..6_u32),
        rng.random::<u32>(),
    );
    let stamp = "'2025-12-05Z', '2025-12-05Z'";
    match rng.random_range(0..14_u8) {
        0 | 1 => {
            let user = rng.random_bool(0.5).then_some(user);
            touch(&format!("x{key}"), action, rng.random_range(-3000..3000), Some(device), user, event)
        }
        2 => format!("UPDATE {action} SET event_id = {event} WHERE id = '{message}'"),
        3 => format!("UPDATE tracks SET user_id = '{user}' WHERE id = '{message}'"),
        4 => format!("UPDATE tracks SET anonymous_id = '{device}', user_id = NULL WHERE id = '{message}'"),
        5 => format!("DELETE FROM tracks WHERE id = '{message}'"),
        6 => format!("DELETE FROM {action} WHERE id = '{message}'"),
        7 => format!("UPDATE tracks SET received_at = NULL WHERE id = '{message}'"),
        8 => format!(
            "UPDATE directus.events SET status = CASE status WHEN 'archived' THEN 'published' ELSE 'archived' END WHERE id = {event}"
        ),
        9 => format!(
            "INSERT INTO identifies(id, received_at, \"timestamp\", anonymous_id, user_id, email)
             VALUES ('i{key}', {stamp}, '{device}', '{user}', '{}@fans.example')",
            user.trim_start_matches("u-")
        ),
        10 => format!("DELETE FROM identifies WHERE anonymous_id = '{device}'"),
        11 => format!(
            "INSERT INTO aliases(id, received_at, \"timestamp\", previous_id, user_id)
             VALUES ('a{key}', {stamp}, '{}', '{user}')",
            if rng.random_bool(0.5) { device } else { of(rng, &users) }
        ),
        12 => format!("DELETE FROM aliases WHERE user_id = '{user}'"),
        _ => {
            let entity = format!("3a000000-0000-7000-8000-{:012}", step % 3);
            format!(
                "INSERT INTO unified.entities(id, entity_type, claim_status, metadata)
                   VALUES ('{entity}', 'person', 'unclaimed', '{{}}') ON CONFLICT DO NOTHING;
                 DELETE FROM unified.entity_sources WHERE source_id = '{user}';
                 INSERT INTO unified.entity_sources(entity_id, source_system, source_table, source_id, match_rule)
                   VALUES ('{entity}', 'touchpoints', 'sonik_web.users', '{user}', 'manual')"
            )
        }
    }
}

/// The sample's touches in one table of events, made of [`sample`] by `sql`.
async fn one_table(schema: &'static str, sql: &str) -> Option<Scratch> {
    let scratch = sample().await?;
    let own = "LEFT JOIN sonik_web.event_viewed v USING (id) LEFT JOIN sonik_web.event_attended a USING (id) \
               LEFT JOIN sonik_web.ticket_link_clicked c USING (id) LEFT JOIN sonik_web.artist_followed f USING (id) \
               WHERE t.event <> 'content_shared'";
    let event = "coalesce(v.event_id, a.event_id, c.event_id)";
    let sql = sql.replace("{own}", own).replace("{event}", event);
    scratch.run(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {sql}")).await;
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    Some(scratch)
}

/// Edits of one table of events by columns: id, when, when loaded, device or whoever, and what moves a touch to event 2.
async fn edits(world: &mut World<'_>, [id, at, loaded, who, to_2]: [&str; 5]) {
    let nothing = world.after("nothing", "").await;
    assert!(nothing.skipped > 50, "{nothing:?}");
    for (what, sql) in [
        ("another event", format!("UPDATE events SET {to_2} WHERE {id} = 'm0'")),
        ("another time", format!("UPDATE events SET {at} = '2025-12-01 00:00:00Z' WHERE {id} = 'm4'")),
        ("no time of loading", format!("UPDATE events SET {loaded} = NULL WHERE {id} = 'm8'")),
        ("another device", format!("UPDATE events SET {who} = 'anon-77' WHERE {id} = 'm5'")),
        ("touches go", format!("DELETE FROM events WHERE {id} IN ('m6', 'm7')")),
        ("a message comes twice", format!("INSERT INTO events SELECT * FROM events WHERE {id} = 'm9'")),
        (
            "the later one is another's",
            format!(
                "UPDATE events SET {who} = 'anon-78', {at} = '2025-12-24 00:00:00Z' WHERE ctid = (SELECT max(ctid) FROM events WHERE {id} = 'm9')"
            ),
        ),
        ("somebody is identified no more", format!("DELETE FROM events WHERE {id} IN ('i1', 'i2')")),
        ("and a touch with it", format!("DELETE FROM events WHERE {id} = 't4'")),
        ("an event is archived", "UPDATE directus.events SET status = 'archived' WHERE id = 1".to_owned()),
        ("and back", "UPDATE directus.events SET status = 'published' WHERE id = 1".to_owned()),
    ] {
        let extent = world.after(what, &sql).await;
        assert_eq!(extent.unstamped, u64::from(what == "no time of loading" || world.unstamped), "{what}");
        world.unstamped |= what == "no time of loading";
    }
}

#[test]
fn an_export_of_posthog_is_followed_without_reading_what_is_as_it_was() {
    with_graph("incremental_posthog", async |client, graph| {
        let export = r#"CREATE TABLE events (uuid varchar(200), event varchar(200), properties jsonb, "set" jsonb,
               distinct_id varchar(200), "timestamp" timestamptz, inserted_at timestamptz);
             INSERT INTO events SELECT t.id, t.event, jsonb_strip_nulls(jsonb_build_object('event_id', {event},
               'artist_id', f.artist_id, '$device_id', t.anonymous_id, 'utm_source', t.context_campaign_source)), NULL,
               coalesce(t.user_id, t.anonymous_id), t."timestamp", t.received_at FROM sonik_web.tracks t {own};
             INSERT INTO events SELECT id, '$identify', jsonb_build_object('$anon_distinct_id', anonymous_id),
               jsonb_build_object('email', email), user_id, "timestamp", received_at FROM sonik_web.identifies;"#;
        let Some(scratch) = one_table("ph", export).await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        world.schema = "ph";
        let to_2 = r#"properties = properties || '{"event_id": 2}'"#;
        edits(&mut world, ["uuid", "\"timestamp\"", "inserted_at", "distinct_id", to_2]).await;
        let known = r#"INSERT INTO events VALUES ('i50', '$identify', '{"$anon_distinct_id": "anon-99"}', NULL, 'anon-20',
                         '2025-12-24Z', '2025-12-24Z')"#;
        world.after("an id that was a device's is a user's", known).await;
        world.after("and a device's again", "DELETE FROM events WHERE uuid = 'i50'").await;
    });
}

#[test]
fn atomic_events_of_snowplow_are_followed_without_reading_what_is_as_it_was() {
    with_graph("incremental_snowplow", async |client, graph| {
        let export = r#"CREATE TABLE events (event_id char(36), event_name varchar(1000), collector_tstamp timestamp,
               derived_tstamp timestamp, load_tstamp timestamp, domain_userid varchar(128), user_id varchar(255),
               mkt_source varchar(255), unstruct_event json);
             INSERT INTO events SELECT t.id, t.event, NULL, t."timestamp" AT TIME ZONE 'UTC', t.received_at AT TIME ZONE 'UTC',
               t.anonymous_id, t.user_id, t.context_campaign_source,
               json_build_object('event_id', {event}, 'artist_id', f.artist_id) FROM sonik_web.tracks t {own};
             INSERT INTO events SELECT id, 'identify', NULL, "timestamp" AT TIME ZONE 'UTC', received_at AT TIME ZONE 'UTC',
               anonymous_id, user_id, NULL, json_build_object('email', email) FROM sonik_web.identifies;"#;
        let Some(scratch) = one_table("atomic", export).await else { return };
        let mut world = World::begin(scratch, client, graph).await;
        world.schema = "atomic";
        let to_2 = r#"unstruct_event = '{"event_id": 2}'"#;
        edits(&mut world, ["event_id", "derived_tstamp", "load_tstamp", "domain_userid", to_2]).await;
        world
            .after("a user beside a device", "UPDATE events SET user_id = 'u-eve' WHERE event_id = 'm12'")
            .await;
    });
}

#[test]
fn where_it_cannot_be_told_what_changed_everything_is_read_and_a_note_says_why() {
    with_graph("incremental_whole", async |client, graph| {
        let Some(scratch) = sample().await else { return };
        let (postgres, _runs) = (scratch.url(), Runs::of(graph));
        let run = |arguments: &[&str]| {
            let done =
                command(&postgres, graph, &[arguments, &["--format", "json"]].concat()).assert().success();
            let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
            let plan: Value = serde_json::from_slice(&done.get_output().stdout).expect("one JSON object");
            (plan, told)
        };
        let said = |why: &str, arguments: &[&str]| {
            let (plan, told) = run(arguments);
            let reason = plan["incremental"]["whole"].as_str().expect("a reason").to_owned();
            assert!(
                reason.contains(why) && told.contains(&format!("read everything: {reason}")),
                "{why}: {told}"
            );
        };
        quiet(&scratch).await;
        said("no run of this ledger", &["apply", "--incremental"]);
        let (plan, told) = run(&["plan", "--incremental", "--overlap", "0"]);
        let number = |plan: &Value, key: &str| plan["incremental"][key].as_u64().unwrap_or_default();
        assert!(number(&plan, "skipped") > 50 && plan["incremental"]["whole"].is_null(), "{plan}");
        assert!(told.contains("touches again, left "), "{told}");
        assert_eq!(plan["digest"], run(&["plan"]).0["digest"]);
        assert!(run(&["plan"]).0["incremental"].is_null(), "only where it was asked");
        scratch.run("DELETE FROM sonik_web.tracks WHERE id IN ('m0', 'm1')").await;
        let (plan, _) = run(&["apply", "--incremental"]);
        assert!(
            plan["incremental"]["whole"].is_null() && plan["edges"]["INTERESTED_IN"]["delete"] == 2,
            "{plan}"
        );

        said("rows may be skipped", &["plan", "--incremental", "--skip-bad-rows"]);
        scratch.run("ALTER TABLE sonik_web.tracks ADD context_os_name text").await;
        said("what is read of the touchpoints, or how", &["plan", "--incremental"]);
        run(&["apply"]);
        let role = format!("reader_{}", scratch.name);
        scratch
            .run(&format!(
                "CREATE ROLE {role} LOGIN PASSWORD 'pw' IN ROLE pg_read_all_data;
             REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC"
            ))
            .await;
        let denied =
            command(&scratch.url_as(&role, "pw"), graph, &["plan", "--incremental"]).assert().success();
        let told = String::from_utf8_lossy(&denied.get_output().stderr).into_owned();
        assert!(
            told.contains("read everything: the role may not ask which server this is (GRANT EXECUTE"),
            "{told}"
        );
        let databases = Databases::one(&postgres);
        let found = readings(&databases, &SourceOptions::default(), &Context::silent()).await;
        let printed = script(&found.expect("the layouts are looked at"), Some(&role));
        let sql: Vec<&str> = printed.lines().filter(|line| !line.starts_with('\\')).collect();
        scratch.run(&format!("REVOKE pg_read_all_data FROM {role}; {}", sql.join("\n"))).await;
        let let_in =
            command(&scratch.url_as(&role, "pw"), graph, &["plan", "--incremental"]).assert().success();
        let told = String::from_utf8_lossy(&let_in.get_output().stderr).into_owned();
        scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        assert!(told.contains("touches again, left ") && !told.contains("read everything"), "{told}");
        scratch.run("ALTER TABLE sonik_web.tracks RENAME TO raw; CREATE VIEW sonik_web.tracks AS SELECT * FROM sonik_web.raw").await;
        said("`sonik_web.tracks` is a view", &["plan", "--incremental"]);
        all(client, graph, &["MATCH (n) SET n.gen = n.gen"]).await;
        let other = Marker { generation: 99, progress: Progress::Complete };
        sonograph::sources::falkordb::marker::write(client, graph, other).await.expect("written");
        said("the graph is not the one", &["plan", "--incremental"]);
    });
}
