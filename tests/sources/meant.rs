//! Names of the configuration that cannot be meant, and parts that a layout lacks: told by key, whether or not a schema is named.

use std::collections::BTreeMap;

use sonograph::config::{Naming, TouchLayout};
use sonograph::context::{Context, Diagnose as _, Fault};
use sonograph::sources::{Databases, layouts};

use crate::WORKSPACE;
use crate::names::{map, naming, read};
use crate::scratch::Scratch;
use crate::told;
use crate::touch_layouts::{POSTHOG, SNOWPLOW};

/// Logical names and those in the database, in either order.
type Names<'a> = &'a [(&'a str, &'a str)];

const UNMATCHED: &str = "rows of events' own tables without a message of that id and event";

/// The same names in a schema that is named, too.
fn with_and_without(schema: &str, names: &Naming) -> [Naming; 2] {
    [names.clone(), Naming { schema: [schema].into(), ..names.clone() }]
}

#[tokio::test]
async fn a_table_of_entities_that_is_not_there_or_is_another_one_is_told_by_its_key() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    for (name, expected, hint) in [
        ("entties", "which the configuration names as `sources.unified.entities`", "unified.entity_sources"),
        (
            "entity_sources",
            "table `unified.entity_sources` of unified, which the configuration names as `sources.unified.entities`, has no \
             column `id`, `entity_type`, `canonical_id`, `claim_status`, `claimed_by`, `metadata`",
            "sources.unified.entities",
        ),
        ("claim_events", "has no column `entity_type`, `canonical_id`, ", "sources.unified.entities"),
    ] {
        let names = Naming { tables: map(&[("entities", name)]), ..Naming::default() };
        for names in with_and_without("unified", &names) {
            let refused = read(&scratch, &naming("unified", names)).await.expect_err(name);
            assert!(refused.to_string().contains(expected), "{refused}");
            assert!(
                refused.to_string().contains("unified") && refused.to_string().contains(name),
                "{refused}"
            );
            assert!(refused.hint().unwrap_or_default().contains(hint), "{:?}", refused.hint());
            assert_eq!(refused.fault(), Fault::Input);
        }
    }
    for (key, name) in [("tracks", "trcks"), ("event_viewed", "viewd")] {
        let names = Naming { tables: map(&[(key, name)]), ..Naming::default() };
        let refused = read(&scratch, &naming("touchpoints", names)).await.expect_err(name);
        let expected = format!("which the configuration names as `sources.touchpoints.{key}`");
        assert!(refused.to_string().ends_with(&expected), "{refused}");
        assert_eq!(refused.fault(), Fault::Input);
    }
}

#[tokio::test]
async fn one_name_for_two_things_is_refused_with_both_keys() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let cases: [(&str, Names<'_>, [&str; 2]); 8] = [
        (
            "touchpoints",
            &[("event_saved", "event_viewed")],
            ["sources.touchpoints.event_saved", "sources.touchpoints.event_viewed"],
        ),
        (
            "touchpoints",
            &[("event_viewed", "event_attended")],
            ["sources.touchpoints.event_viewed", "sources.touchpoints.event_attended"],
        ),
        (
            "touchpoints",
            &[("event_viewed", "identifies")],
            ["sources.touchpoints.event_viewed", "`identifies`"],
        ),
        (
            "touchpoints",
            &[("event_viewed", "a"), ("event_saved", "a")],
            ["sources.touchpoints.event_viewed", "sources.touchpoints.event_saved"],
        ),
        ("directus", &[("artists", "venues")], ["sources.directus.artists", "sources.directus.venues"]),
        ("directus", &[("lineup", "events")], ["sources.directus.lineup", "sources.directus.events"]),
        ("twenty", &[("promoter", "person")], ["sources.twenty.promoter", "`person`"]),
        (
            "unified",
            &[("claim_events", "entities")],
            ["sources.unified.claim_events", "sources.unified.entities"],
        ),
    ];
    for (source, tables, keys) in cases {
        let names = Naming { tables: map(tables), ..Naming::default() };
        let refused = read(&scratch, &naming(source, names)).await.expect_err(keys[0]);
        let said = refused.to_string();
        assert!(said.contains("would be two things") && keys.iter().all(|key| said.contains(key)), "{said}");
        assert_eq!(refused.fault(), Fault::Input);
    }
    // Names that were exchanged are one for each.
    scratch
        .run(
            "SET search_path = sonik_web; CREATE TABLE event_saved (LIKE event_viewed);
             ALTER TABLE event_viewed RENAME TO x; ALTER TABLE event_attended RENAME TO event_viewed;
             ALTER TABLE x RENAME TO event_attended",
        )
        .await;
    let tables = map(&[("event_viewed", "event_attended"), ("event_attended", "event_viewed")]);
    read(&scratch, &naming("touchpoints", Naming { tables, ..Naming::default() }))
        .await
        .expect("each has its own");
}

#[tokio::test]
async fn a_part_that_is_lacking_is_told_alike_whether_or_not_the_schema_is_named() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let workspace = Naming { workspace: Some("sonik".into()), ..Naming::default() };
    let cases = [
        (
            "unified",
            "unified",
            "ALTER TABLE unified.entities RENAME claim_status TO status".to_owned(),
            "schema `unified` of unified is there, but `unified.entities` lacks `claim_status`".to_owned(),
            vec![],
        ),
        (
            "twenty",
            WORKSPACE,
            format!("ALTER TABLE {WORKSPACE}.person RENAME TO people"),
            format!("schema `{WORKSPACE}` of twenty is there, but it has no table `person`"),
            vec![workspace],
        ),
        (
            "directus",
            "directus",
            "ALTER TABLE directus.directus_relations RENAME TO relations".to_owned(),
            "schema `directus` of directus is there, but it has no table `directus_relations`".to_owned(),
            vec![],
        ),
        (
            "touchpoints",
            "sonik_web",
            "DROP TABLE sonik_web.identifies; ALTER TABLE sonik_web.tracks RENAME TO messages".to_owned(),
            "schema `sonik_web` of touchpoints is there, but it has no table `tracks`".to_owned(),
            vec![],
        ),
    ];
    for (source, schema, change, expected, further) in cases {
        scratch.run(&change).await;
        for names in with_and_without(schema, &Naming::default()).into_iter().chain(further) {
            // Another one holds a layout still, so that the reading goes on, or nothing does any more.
            let (lacking, missing) = match read(&scratch, &naming(source, names)).await {
                Ok(facts) => (facts.lacking, facts.absent),
                Err(sonograph::sources::SourceError::LayoutMissing { lacking, .. }) => {
                    (lacking, vec![source])
                }
                Err(error) => panic!("{error}"),
            };
            let told: Vec<String> = lacking.iter().map(ToString::to_string).collect();
            assert!(told.contains(&expected) && missing.contains(&source), "{expected}: {told:?}");
        }
        let nothing = Naming { schema: ["core"].into(), ..Naming::default() };
        let refused = read(&scratch, &naming(source, nothing)).await.expect_err("it is no such schema");
        assert!(refused.to_string().contains("does not hold the layout"), "{refused}");
    }
}

#[tokio::test]
async fn columns_that_posthog_and_snowplow_must_have_are_told_with_their_keys_which_name_them() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("DROP SCHEMA sonik_web CASCADE").await;
    let cases: [(&str, &str, TouchLayout, Names<'_>); 2] = [
        (
            POSTHOG,
            "ph",
            TouchLayout::Posthog,
            &[("uuid", "id"), ("event", "event"), ("distinct_id", "user_id"), ("properties", "properties")],
        ),
        (
            SNOWPLOW,
            "atomic",
            TouchLayout::Snowplow,
            &[
                ("event_id", "id"),
                ("event_name", "event"),
                ("domain_userid", "anonymous_id"),
                ("collector_tstamp", "collected_at"),
            ],
        ),
    ];
    for (sql, schema, layout, columns) in cases {
        scratch.run(sql).await;
        let usual = told(scratch.facts().await.expect("the usual names are found"));
        for &(column, logical) in columns {
            scratch.run(&format!("ALTER TABLE {schema}.events RENAME {column} TO other")).await;
            let lacks =
                format!("schema `{schema}` of touchpoints is there, but `{schema}.events` lacks `{column}`");
            let key = format!(
                "`sources.touchpoints.columns.tracks.{logical}` in sonograph.toml says what it is called"
            );
            let named = Naming { layout: Some(layout), ..Naming::default() };
            for names in [Naming::default(), named].iter().flat_map(|names| with_and_without(schema, names)) {
                let facts = read(&scratch, &naming("touchpoints", names)).await.expect("the others are read");
                let [lacking] = &facts.lacking[..] else { panic!("{column}: {:?}", facts.lacking) };
                assert_eq!((lacking.to_string(), lacking.hint()), (lacks.clone(), key.clone()));
                assert!(facts.absent.contains(&"touchpoints"));
            }
            let names = |column: &str, name: &str| {
                let columns = BTreeMap::from([("tracks".to_owned(), map(&[(column, name)]))]);
                naming("touchpoints", Naming { columns, ..Naming::default() })
            };
            let renamed = read(&scratch, &names(logical, "other")).await.expect("the key helps");
            assert_eq!(told(renamed), usual, "{column}");
            let refused = read(&scratch, &names(logical, "no_such")).await.expect_err("it is not there");
            assert_eq!(refused.fault(), Fault::Input, "{refused}");
            scratch.run(&format!("ALTER TABLE {schema}.events RENAME other TO {column}")).await;
        }
        scratch.run(&format!("DROP SCHEMA {schema} CASCADE")).await;
    }
}

#[tokio::test]
async fn messages_of_a_renamed_table_keep_their_event_and_rows_without_a_message_are_counted() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let usual = told(scratch.facts().await.expect("the usual names are found"));
    scratch.run("ALTER TABLE sonik_web.event_viewed RENAME TO opened").await;
    let names = Naming { tables: map(&[("event_viewed", "opened")]), ..Naming::default() };
    let options = naming("touchpoints", names);
    let renamed = read(&scratch, &options).await.expect("the name is there");
    assert_eq!(told(renamed), usual, "messages are called as before");
    // All of them, or some, may be called as the table is now.
    for which in ["t1", "t5", "t7"] {
        scratch.run(&format!("UPDATE sonik_web.tracks SET event = 'opened' WHERE id = '{which}'")).await;
        let facts = read(&scratch, &options).await.expect("reads");
        assert!(facts.read.iter().all(|read| read.table != "sonik_web.tracks" || read.left_out.is_empty()));
        assert_eq!(told(facts), usual);
    }
    scratch.run("UPDATE sonik_web.tracks SET event = 'Event Viewed' WHERE id IN ('t1', 't5')").await;
    let facts = read(&scratch, &options).await.expect("reads");
    let messages = facts.read.iter().find(|read| read.table == "sonik_web.tracks").expect("they are read");
    assert_eq!(messages.left_out, [(UNMATCHED, 2)]);
    let found = layouts(&Databases::one(&scratch.url()), &options, &Context::silent()).await;
    let database = found.into_iter().next().expect("one database").expect("it answers");
    let touchpoints =
        database.sources.iter().find(|source| source.name == "touchpoints").expect("looked for");
    let notes = &touchpoints.found.as_ref().expect("readable").as_ref().expect("found").notes;
    assert!(notes.contains(&format!("2 {UNMATCHED}")), "{notes:?}");
}
