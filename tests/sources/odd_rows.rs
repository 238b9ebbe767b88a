//! Rows of random legal content never make a reader panic: each is taken, or refused by source, table, key and column.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use sonograph::config::{Naming, TouchLayout};
use sonograph::mirror::{ResolveOptions, resolve};
use sonograph::sources::facts::{BAD_ROW, Facts};
use sonograph::sources::{SourceError, SourceOptions, companions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::WORKSPACE;
use crate::names::{naming, read};
use crate::scratch::Scratch;
use crate::touch_layouts::{POSTHOG, SNOWPLOW};

/// Tables that are read, without those that only tell how others are laid out.
const READ: &[&str] = &[
    "directus.venues",
    "directus.artists",
    "directus.events",
    "directus.events_artists",
    "W.company",
    "W.person",
    "W.opportunity",
    "W.timelineActivity",
    "W._promoter",
    "unified.entities",
    "unified.entity_sources",
    "unified.claim_events",
    "sonik_web.identifies",
    "sonik_web.users",
    "sonik_web.aliases",
    "sonik_web.tracks",
    "sonik_web.event_viewed",
    "sonik_web.event_attended",
    "sonik_web.ticket_link_clicked",
    "sonik_web.content_shared",
    "sonik_web.artist_followed",
    "sonik_web.user_followed",
    "ph.events",
    "ph.persons",
    "atomic.events",
];

const PERSONS: &str =
    "CREATE TABLE ph.persons AS SELECT distinct_id, distinct_id AS person_id, set AS properties,
    \"timestamp\" AS created_at FROM ph.events";

/// What holds rows together would refuse most of what is tried; a copy of every table is kept to begin each case with.
const LOOSEN: &str = "DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT conrelid::regclass::text t, conname FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
    WHERE contype IN ('f', 'c', 'u', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    ORDER BY contype = 'f' DESC LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', r.t, r.conname);
  END LOOP;
  FOR r IN SELECT indexrelid::regclass::text i FROM pg_index JOIN pg_class c ON c.oid = indrelid
    WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)' AND indisunique LOOP
    EXECUTE format('DROP INDEX IF EXISTS %s', r.i);
  END LOOP;
  FOR r IN SELECT attrelid::regclass::text t, attname, attgenerated, attnotnull FROM pg_attribute a
    JOIN pg_class c ON c.oid = attrelid WHERE c.relkind = 'r' AND attnum > 0 AND NOT attisdropped
    AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' LOOP
    IF r.attgenerated <> '' THEN EXECUTE format('ALTER TABLE %s DROP COLUMN %I CASCADE', r.t, r.attname);
    ELSIF r.attnotnull THEN EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', r.t, r.attname);
    END IF;
  END LOOP;
END $$; CREATE SCHEMA kept;";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    table: String,
    quoted: String,
    kept: String,
    column: String,
    kind: String,
}

/// A column, a row, and what to put there.
type Change = (Index, Index, Index, String);

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<String>().prop_map(|text| text.replace('\0', "")),
        1 => Just(String::new()),
        1 => Just("\u{202E}gnikcab\u{202C}\u{2066}\u{200B}\u{FEFF}\u{200F}".to_owned()),
        1 => Just("\u{200B}".to_owned()),
        1 => Just("ana@fans.example".to_owned()),
        1 => Just("https://".to_owned()),
        1 => Just("[1,{\"a\":".to_owned()),
        1 => any::<char>().prop_map(|c| c.to_string().replace('\0', "x").repeat(120_000)),
    ]
}

/// Values of a type that a server takes.
fn values(kind: &str, text: &str) -> Vec<Option<String>> {
    let fixed: &[&str] = match kind {
        "smallint" => &["-32768", "32767"],
        "integer" => &["-2147483648", "2147483647", "0"],
        "bigint" => &["-9223372036854775808", "9223372036854775807", "9007199254740993"],
        "real" => &["NaN", "Infinity", "-Infinity", "3.4e38", "-0", "1e-40"],
        "double precision" => &["NaN", "Infinity", "-Infinity", "1.7e308", "-0", "5e-324"],
        "numeric" => &["NaN", "Infinity", "9223372036854775808", "1e400", "-0.000", "1e-300", "120.00"],
        "date" => &["infinity", "-infinity", "0001-01-01", "9999-12-31", "4713-01-01 BC"],
        kind if kind.starts_with("timestamp") => &[
            "infinity",
            "-infinity",
            "0001-01-01",
            "9999-12-31 23:59:59.999999",
            "4713-01-01 BC",
            "294276-12-31",
        ],
        "uuid" => &["ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000"],
        "boolean" => &["true", "false"],
        "json" => &[
            "null",
            "{}",
            "[]",
            "\"x\"",
            "[1e400]",
            "[\"a\",null,2,[]]",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "[\"\\u202e\"]",
            "[18446744073709551616]",
        ],
        "jsonb" => &[
            "null",
            "{}",
            "[]",
            "\"x\"",
            "1e400",
            "{\"name\":{\"a\":1},\"roles\":[{}]}",
            "{\"name\":7,\"roles\":\"artist\"}",
            "{\"diff\":null,\"after\":{\"stage\":9}}",
            "{\"diff\":{\"stage\":[]}}",
            "[\"a\",null,2]",
        ],
        "text" | "character varying" => return vec![None, Some(text.to_owned())],
        // Enumerations take their own words only.
        _ => &[],
    };
    std::iter::once(None).chain(fixed.iter().map(|value| Some((*value).to_owned()))).collect()
}

struct World {
    scratch: Scratch,
    connection: PgConnection,
    places: Vec<Place>,
}

impl World {
    async fn new() -> Option<Self> {
        let scratch = Scratch::with_layouts().await?;
        for layout in [POSTHOG, SNOWPLOW, PERSONS, LOOSEN] {
            scratch.run(layout).await;
        }
        let mut connection = PgConnection::connect(&scratch.url()).await.expect("the server answers");
        let mut places = Vec::new();
        for (at, table) in READ.iter().enumerate() {
            let (schema, name) = table.split_once('.').expect("schema.table");
            let schema = if schema == "W" { WORKSPACE } else { schema };
            let quoted = format!("{schema}.\"{name}\"");
            let kept = format!("kept.t{at}");
            let sql = format!("CREATE TABLE {kept} AS TABLE {quoted}");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a copy");
            let sql = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute \
                       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
            for row in sqlx::query(sql).bind(&quoted).fetch_all(&mut connection).await.expect("columns") {
                places.push(Place {
                    table: format!("{schema}.{name}"),
                    quoted: quoted.clone(),
                    kept: kept.clone(),
                    column: row.get(0),
                    kind: row.get(1),
                });
            }
        }
        // Lengths and precisions would refuse most.
        for Place { quoted, column, kind, .. } in &mut places {
            if kind.starts_with("character") {
                "character varying".clone_into(kind);
            }
            if ["character varying", "numeric"].contains(&kind.as_str()) {
                let sql = format!("ALTER TABLE {quoted} ALTER COLUMN \"{column}\" TYPE {kind}");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("no length");
            }
        }
        Some(Self { scratch, connection, places })
    }

    async fn run(&mut self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await.expect("the statement runs");
    }

    /// Makes the changes; the places that were changed, and the values that no error may tell.
    async fn change(&mut self, changes: &[Change]) -> Vec<(Place, String)> {
        let mut changed = Vec::new();
        for (column, row, value, text) in changes {
            let place = column.get(&self.places).clone();
            let values = values(&place.kind, text);
            let value = value.get(&values).clone();
            let Place { quoted, column, kind, .. } = &place;
            let sql = format!(
                "UPDATE {quoted} SET \"{column}\" = $1::text::{kind} WHERE ctid = (SELECT ctid FROM {quoted} \
                 ORDER BY ctid OFFSET $2 % greatest(1, (SELECT count(*) FROM {quoted})) LIMIT 1)"
            );
            let kind_is_ours = values.len() > 1;
            if kind_is_ours {
                let query = sqlx::query(AssertSqlSafe(sql)).bind(&value).bind(row.index(1_000) as i64);
                query.execute(&mut self.connection).await.expect("legal content is taken by the server");
                changed.push((place, value.unwrap_or_default()));
            }
        }
        changed
    }

    async fn undo(&mut self, changed: &[(Place, String)]) {
        let tables: BTreeSet<(&str, &str)> =
            changed.iter().map(|(place, _)| (place.quoted.as_str(), place.kept.as_str())).collect();
        let sql: Vec<String> = tables
            .iter()
            .map(|(table, kept)| format!("TRUNCATE {table}; INSERT INTO {table} SELECT * FROM {kept};"))
            .collect();
        self.run(sql.concat()).await;
    }
}

fn check(condition: bool, what: impl FnOnce() -> String) -> Result<(), TestCaseError> {
    if condition { Ok(()) } else { Err(TestCaseError::fail(what())) }
}

/// Everything that is done with facts without a server.
fn used(facts: &Facts) -> Result<(), TestCaseError> {
    let resolved = resolve(facts, &ResolveOptions::default());
    let resolved = resolved.map_err(|error| TestCaseError::fail(format!("cannot resolve: {error}")))?;
    let tables = resolved.to_tables();
    tables.map_err(|error| TestCaseError::fail(format!("no tables: {error}")))?;
    companions(facts).map_err(|error| TestCaseError::fail(format!("no companions: {error}")))?;
    Ok(())
}

fn options(layout: TouchLayout, skip_bad_rows: bool) -> SourceOptions {
    let options = naming("touchpoints", Naming { layout: Some(layout), ..Naming::default() });
    SourceOptions { skip_bad_rows, ..options }
}

async fn case(world: &mut World, changes: &[Change]) -> Result<(), TestCaseError> {
    let changed = world.change(changes).await;
    for layout in [TouchLayout::Segment, TouchLayout::Posthog, TouchLayout::Snowplow] {
        in_layout(world, &changed, layout).await?;
    }
    world.undo(&changed).await;
    Ok(())
}

async fn in_layout(
    world: &World,
    changed: &[(Place, String)],
    layout: TouchLayout,
) -> Result<(), TestCaseError> {
    let is_changed = |table: &str, column: &str| {
        changed.iter().any(|(place, _)| place.table == table && place.column == column)
            // An event's own columns are told with the message they belong to.
            || table.ends_with(".tracks") && changed.iter().any(|(place, _)| place.column == column)
    };
    let first = match read(&world.scratch, &options(layout, false)).await {
        Ok(facts) => {
            used(&facts)?;
            None
        }
        Err(error) => {
            let told = format!("{error} {error:?}");
            let SourceError::Value { table, key, column, .. } = &error else {
                return Err(TestCaseError::fail(format!("not told by row: {told}")));
            };
            check(is_changed(table, column), || format!("blames what was not changed: {told}"))?;
            check(!key.is_empty(), || format!("no key: {told}"))?;
            for (place, value) in changed.iter().filter(|(place, value)| !is_key(place) && value.len() > 6) {
                // What was put into a column may also be what was put into the key of the row that is told.
                let is_told = value.contains("infin") || value.contains("Infin") || value == key;
                check(is_told || !told.contains(value.as_str()), || {
                    format!("tells the value of {place:?}: {told}")
                })?;
            }
            Some(error)
        }
    };
    let facts = read(&world.scratch, &options(layout, true)).await;
    let facts = facts.map_err(|error| TestCaseError::fail(format!("cannot skip: {error}")))?;
    let left_out = facts.read.iter().flat_map(|read| &read.left_out);
    let counted: u64 = left_out.filter(|(reason, _)| *reason == BAD_ROW).map(|(_, rows)| rows).sum();
    check(counted == facts.bad_rows.len() as u64, || format!("{counted} counted: {:?}", facts.bad_rows))?;
    check(first.is_some() == (counted > 0), || format!("{first:?}, but {counted} bad rows"))?;
    for bad in &facts.bad_rows {
        check(is_changed(&bad.table, &bad.column), || format!("{bad:?}"))?;
    }
    used(&facts)
}

/// Columns that name a row in errors.
fn is_key(place: &Place) -> bool {
    ["id", "uuid", "event_id", "distinct_id", "source_id"].contains(&place.column.as_str())
}

/// `SONOGRAPH_TEST_CASES` asks for more cases than the few of every run.
#[test]
fn random_legal_content_is_taken_or_refused_by_row_and_column_and_skipped_when_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let Some(world) = runtime.block_on(World::new()) else { return };
    let world = std::cell::RefCell::new(world);
    let cases = std::env::var("SONOGRAPH_TEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let change = (any::<Index>(), any::<Index>(), any::<Index>(), text());
    let all = prop::collection::vec(change, 1..40);
    let ran = runner.run(&all, |changes| {
        let mut world = world.borrow_mut();
        let result = runtime.block_on(case(&mut world, &changes));
        if result.is_err() {
            let everything: Vec<_> =
                world.places.iter().map(|place| (place.clone(), String::new())).collect();
            runtime.block_on(world.undo(&everything));
        }
        result
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}
