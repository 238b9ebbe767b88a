//! Whose a touch is, against the rule written in SQL and run by `PostgreSQL`: random people, devices, identifies, aliases.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sonograph::mirror::{ResolveOptions, Unspooled, resolve};
use sonograph::ontology::{Label, Relation, Value};
use sonograph::snapshot::tables::assemble::EdgeRow;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::scratch::Scratch;

/// Rows of `identifies`, `aliases`, `users` and `tracks`, in the order they arrive.
#[derive(Debug, Clone)]
struct World {
    statements: Vec<String>,
}

fn text(value: Option<String>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| format!("'{value}'"))
}

fn instant(minute: u16) -> String {
    format!("timestamptz '2025-12-01T00:00:00Z' + interval '{minute} minutes'")
}

/// Few ids, so that devices are shared, people have several, and aliases meet in chains and rings.
fn worlds() -> impl Strategy<Value = World> {
    let device = || proptest::option::weighted(0.9, 0..5_u8);
    let user = |p| proptest::option::weighted(p, 0..5_u8);
    let minute = || 0..300_u16;
    // Loaded up to a day late.
    let late = || 0..1440_u16;
    let touches = proptest::collection::vec((minute(), late(), device(), user(0.3)), 0..20);
    let identifies = proptest::collection::vec((minute(), device(), user(0.9), 0..6_u8), 0..6);
    // From a device or a user to one, some of whom nobody else knows.
    let end = || (any::<bool>(), 0..7_u8);
    let aliases = proptest::collection::vec((minute(), end(), end()), 0..6);
    let users = proptest::collection::btree_map(0..5_u8, 0..6_u8, 0..3);
    (touches, identifies, aliases, users, any::<u64>()).prop_map(|(touches, identifies, aliases, users, seed)| {
        let device = |n: Option<u8>| text(n.map(|n| format!("dev-{n}")));
        let user = |n: Option<u8>| text(n.map(|n| format!("u-{n}")));
        // One in three gives no usable e-mail, the others share three.
        let email = |n: u8| ["'A@x.example '", "'a@x.example'", "'b@x.example'", "'c@x.example'", "''", "NULL"][usize::from(n)];
        let mut statements = Vec::new();
        for (nth, (minute, late, on, by)) in touches.into_iter().enumerate() {
            if on.is_none() && by.is_none() {
                continue;
            }
            let (at, on, by) = (instant(minute), device(on), user(by));
            statements.push(format!(
                "INSERT INTO tracks(id, received_at, \"timestamp\", anonymous_id, user_id, event)
                 VALUES ('t{nth:02}', {at} + interval '{late} minutes', {at}, {on}, {by}, 'event_viewed')"
            ));
            statements.push(format!("INSERT INTO event_viewed(id, event_id) VALUES ('t{nth:02}', 1)"));
        }
        for (nth, (minute, on, by, mail)) in identifies.into_iter().enumerate() {
            let (at, on, by, mail) = (instant(minute), device(on), user(by), email(mail));
            statements.push(format!(
                "INSERT INTO identifies(id, received_at, \"timestamp\", anonymous_id, user_id, email)
                 VALUES ('i{nth}', {at}, {at}, {on}, {by}, {mail})"
            ));
        }
        for (nth, (minute, from, to)) in aliases.into_iter().enumerate() {
            let [from, to] = [from, to].map(|(of_user, n)| format!("{}-{n}", if of_user { "u" } else { "dev" }));
            let at = instant(minute);
            statements.push(format!(
                "INSERT INTO aliases(id, \"timestamp\", previous_id, user_id) VALUES ('a{nth}', {at}, '{from}', '{to}')"
            ));
        }
        for (id, mail) in users {
            statements.push(format!("INSERT INTO users(id, email) VALUES ('u-{id}', {})", email(mail)));
        }
        // Rows arrive in any order.
        statements.sort_by_cached_key(|statement| {
            statement.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        });
        World { statements }
    })
}

/// Touch → person by the smallest of their user ids, or the device, as the graph has it; by person in order of time.
fn told(graph: &Unspooled) -> Vec<(String, String)> {
    let mut who: HashMap<&str, String> = HashMap::new();
    for person in graph.nodes.get(&Label::Person).into_iter().flatten() {
        let refs = person.properties.iter().find_map(|(name, value)| match (*name, value) {
            ("refs", Value::TextList(refs)) => Some(refs),
            _ => None,
        });
        let users = refs.into_iter().flatten().filter_map(|r| r.strip_prefix("touchpoints:sonik_web.users:"));
        if let Some(user) = users.min() {
            who.insert(&person.uid, user.to_owned());
        }
    }
    let identified: HashMap<&str, &str> =
        edges(graph, Relation::IdentifiedAs).iter().map(|edge| (&*edge.src, &*edge.dst)).collect();
    let mut touches: Vec<(String, i64, String)> = Vec::new();
    for edge in edges(graph, Relation::InterestedIn) {
        let actor = identified.get(&*edge.src).copied().unwrap_or(&edge.src);
        let anonymous = || format!("anonymous {}", actor.strip_prefix("anon:").expect("a device"));
        let who = who.get(actor).cloned().unwrap_or_else(anonymous);
        let property = |name| edge.properties.iter().find(|(n, _)| *n == name).map(|(_, value)| value);
        let (Some(Value::Text(mid)), Some(Value::Instant(at))) = (property("mid"), property("timestamp"))
        else {
            panic!("a touch without message or time: {edge:?}")
        };
        touches.push((who, *at, mid.clone()));
    }
    touches.sort();
    touches.into_iter().map(|(who, _, mid)| (mid, who)).collect()
}

fn edges(graph: &Unspooled, relation: Relation) -> &[EdgeRow] {
    graph.edges.get(&relation).map_or(&[], Vec::as_slice)
}

async fn compare(scratch: &Scratch, world: &World) -> Result<(), TestCaseError> {
    let mut connection = PgConnection::connect(&scratch.url()).await.expect("the server answers");
    let empty = "SET search_path = sonik_web; TRUNCATE tracks, event_viewed, identifies, aliases, users";
    let load = format!("{empty}; {}", world.statements.join("; "));
    sqlx::raw_sql(sqlx::AssertSqlSafe(load)).execute(&mut connection).await.expect("the world loads");
    let rows =
        sqlx::query(include_str!("identity.sql")).fetch_all(&mut connection).await.expect("the rule runs");
    let expected: Vec<(String, String)> = rows.iter().map(|row| (row.get("id"), row.get("whose"))).collect();
    connection.close().await.expect("the connection closes");

    let facts = scratch.facts().await.expect("the layouts can be read");
    let graph = resolve(&facts, &ResolveOptions::default()).expect("a graph");
    let graph = graph.unspooled().expect("its rows can be read");
    prop_assert_eq!(told(&graph), expected);
    let people: BTreeMap<&str, usize> =
        edges(&graph, Relation::IdentifiedAs).iter().fold(BTreeMap::new(), |mut people, edge| {
            *people.entry(&*edge.src).or_default() += 1;
            people
        });
    prop_assert!(people.values().all(|&n| n == 1), "one device is nobody's or one person's");
    Ok(())
}

#[test]
fn every_touch_is_whose_the_rule_in_sql_says() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Some(scratch) = runtime.block_on(Scratch::with_layouts()) else { return };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    runner.run(&worlds(), |world| runtime.block_on(compare(&scratch, &world))).expect("both say the same");
}
