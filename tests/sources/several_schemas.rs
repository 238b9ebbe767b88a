//! Segment writes every source of its own into a schema of its own: which of them are read, and that all of each is.

use std::collections::BTreeMap;

use sonograph::config::Naming;
use sonograph::context::{Context, Diagnose as _, Fault};
use sonograph::sources::rows::Touch;
use sonograph::sources::{Databases, SourceError, SourceOptions, read_facts};

use crate::read_only::{PASSWORD, forget, run, sonograph, sonograph_as, text};
use crate::scratch::Scratch;

/// An app whose loader knows one type of number, and in which nobody was identified yet.
const APP: &str = "
CREATE SCHEMA sonik_ios; SET search_path = sonik_ios;
CREATE TABLE tracks (id uuid PRIMARY KEY, received_at timestamptz, \"timestamp\" timestamptz, anonymous_id text, user_id numeric(20,2), event text);
CREATE TABLE event_viewed (id uuid PRIMARY KEY, received_at timestamptz, event_id numeric(20,2));
INSERT INTO tracks VALUES ('00000000-0000-4000-8000-000000000001', '2025-12-10T11:00:01Z', '2025-12-10T11:00:00Z', 'phone-1', 7001.00, 'event_viewed');
INSERT INTO event_viewed VALUES ('00000000-0000-4000-8000-000000000001', '2025-12-10T11:00:01Z', 2.00);";

const BOTH: &str = "[sources.touchpoints]\nschema = ['sonik_web', 'sonik_ios']\n";

fn naming(schemas: &[&str]) -> SourceOptions {
    let schema = serde_json::from_value(serde_json::json!(schemas)).expect("names of schemas");
    let naming = Naming { schema, ..Naming::default() };
    SourceOptions { naming: BTreeMap::from([("touchpoints".to_owned(), naming)]), ..SourceOptions::default() }
}

#[tokio::test]
async fn rows_of_several_schemas_are_read_one_after_the_other_and_say_which_they_are_from() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run(APP).await;
    let read = async |schemas: &[&str]| {
        read_facts(&Databases::one(&scratch.url()), &naming(schemas), &Context::silent()).await
    };
    let facts = read(&["sonik_web", "sonik_ios"]).await.expect("both are read");
    assert_eq!(facts.touch_schemas, ["sonik_ios", "sonik_web"]);
    let touches = facts.touches.rows().expect("they read");
    let of = |schema: &str| {
        touches.iter().filter(|touch| facts.touch_schema(touch.schema) == schema).collect::<Vec<_>>()
    };
    assert_eq!((of("sonik_ios").len(), of("sonik_web").len()), (1, 8));
    // A loader's 2.00 is the event of key 2, its 7001.00 the user 7001.
    assert_eq!(of("sonik_ios")[0].touch, Touch::Viewed { event: Some("2".to_owned()) });
    crate::node(&facts, "touchpoints:sonik_ios.users:7001");
    let tables: Vec<&str> =
        facts.read.iter().map(|read| &*read.table).filter(|table| table.contains("tracks")).collect();
    assert_eq!(tables, ["sonik_ios.tracks", "sonik_web.tracks"]);

    let unknown = read(&["sonik_web", "sonik_android"]).await.expect_err("one of them is not there");
    assert!(unknown.to_string().starts_with("schema `sonik_android` at "), "{unknown}");
    // What PostHog calls a user in one export may be a device in another.
    scratch
        .run(
            "CREATE SCHEMA ph; CREATE TABLE ph.events (uuid text, event text, distinct_id text, properties jsonb,
               \"timestamp\" timestamptz)",
        )
        .await;
    let mixed = read(&["sonik_web", "ph"]).await.expect_err("they are no one stream");
    assert!(matches!(mixed, SourceError::NotOneStream { .. }), "{mixed}");
    assert_eq!(mixed.fault(), Fault::Input);
    let many: Vec<String> = (0..9).map(|n| format!("app_{n}")).collect();
    for schema in &many {
        scratch
            .run(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.tracks (LIKE sonik_web.tracks)"))
            .await;
    }
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(read(&many).await.expect_err("nine").to_string().ends_with("they are more than eight"));
    assert_eq!(read(&many[..8]).await.expect("eight").touch_schemas.len(), 8);
}

#[tokio::test]
async fn a_name_need_be_in_one_of_the_schemas_because_tables_and_columns_come_with_their_first_row() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run(APP).await;
    scratch
        .run(
            "ALTER TABLE sonik_web.user_followed RENAME TO member_followed;
             ALTER TABLE sonik_ios.event_viewed RENAME event_id TO show_id",
        )
        .await;
    let read = async |table: &str, column: &str| {
        let mut options = naming(&["sonik_web", "sonik_ios"]);
        let naming = options.naming.get_mut("touchpoints").expect("it was named");
        naming.tables.insert("user_followed".to_owned(), table.to_owned());
        let event = BTreeMap::from([("event".to_owned(), column.to_owned())]);
        naming.columns.insert("event_viewed".to_owned(), event);
        read_facts(&Databases::one(&scratch.url()), &options, &Context::silent()).await
    };
    let facts = read("member_followed", "show_id").await.expect("each is in one of them");
    let touches = facts.touches.rows().expect("they read");
    let viewed: Vec<_> = touches
        .iter()
        .filter_map(|touch| match &touch.touch {
            Touch::Viewed { event } => Some((facts.touch_schema(touch.schema), event.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(viewed.iter().filter(|seen| **seen == ("sonik_ios", Some("2"))).count(), 1);
    assert_eq!(viewed.iter().filter(|seen| **seen == ("sonik_web", None)).count(), 3, "t1, t5 and t7");

    let error = read("followed_by_nobody", "show_id").await.expect_err("neither has such a table");
    assert!(matches!(error, SourceError::TableMissing { .. }), "{error}");
    let error = read("member_followed", "gig_id").await.expect_err("neither has such a column");
    assert!(matches!(error, SourceError::NamedColumnMissing { .. }), "{error}");
}

#[tokio::test]
async fn doctor_tells_of_each_schema_and_the_grants_and_the_proof_cover_all() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run(APP).await;
    let refused = sonograph(&scratch, &scratch.url(), &["mirror", "plan"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = text(&refused.stderr);
    assert!(
        told.contains("sonik_ios, sonik_web") && told.contains("`schema = [\"sonik_ios\", \"sonik_web\"]`"),
        "{told}"
    );

    let role = format!("streams_{}", scratch.name);
    let printed = sonograph_as(&scratch, &scratch.url(), BOTH, &["doctor", "grants", "--role", &role]);
    let grants = text(&printed.stdout);
    for table in ["sonik_ios", "sonik_web"].map(|schema| format!("\"{schema}\".\"tracks\"")) {
        assert!(grants.contains(&table), "{table} in {grants}");
    }
    run(&scratch, &grants, &role).await;
    let url = scratch.url_as(&role, PASSWORD);
    let ran = [
        &["mirror", "plan", "--format", "json"][..],
        &["doctor", "--prove-read-only"],
        &["doctor", "--json"],
    ]
    .map(|arguments| sonograph_as(&scratch, &url, BOTH, arguments));
    forget(&scratch, &[role]).await;
    let [plan, proof, doctor] = ran;
    for (done, what) in [(&plan, "plan"), (&proof, "proof"), (&doctor, "doctor")] {
        assert_eq!(done.status.code(), Some(0), "{what}: {}{}", text(&done.stdout), text(&done.stderr));
    }
    // The 37 of the layouts that have rows of any kind in their schemas, and the two of the app.
    assert!(text(&proof.stdout).contains(" are as they were before it"), "{}", text(&proof.stdout));
    let told = text(&proof.stdout);
    assert!(told.contains("sonik_ios.tracks") && told.contains("sonik_web.tracks"), "{told}");
    let told = text(&doctor.stdout);
    for part in [
        "schema sonik_ios, sonik_web; sonik_ios: layout of segment, no event_saved",
        "sonik_web: layout of segment, no event_saved; not found: sonik_ios.identifies, sonik_ios.users, sonik_ios.aliases",
        "\"sonik_ios.tracks\"",
        "\"sonik_web.tracks\"",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}
