//! Odd rows, wrong doors and what must not happen.

use std::collections::BTreeMap;

use sonograph::config::Naming;
use sonograph::context::{Context, Diagnose, Fault};
use sonograph::ontology::Relation;
use sonograph::sources::postgres::Session;
use sonograph::sources::rows::Touch;
use sonograph::sources::{Databases, SourceError, SourceOptions, layouts, read_facts};

use crate::scratch::Scratch;
use crate::{WORKSPACE, edges};

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
    scratch.run("ALTER TABLE directus.events DROP start_date, ADD start_date time;").await;
    let told = scratch.refusal().await.to_string();
    let expected = "column `start_date` of table `directus.events` of directus is of type time without time zone, \
                    wanted a timestamp, or a date";
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
    let touches = facts.touches.rows().expect("they read");
    let touch = |id: &str| touches.iter().find(|touch| touch.id == id).expect("the touch is read");
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
    scratch
        .run(&format!("ALTER TABLE directus.artists DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON directus.directus_relations FROM {role}"))
        .await;
    let unrelated = read().await.expect_err("Directus says there which field is what");
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;

    assert!(matches!(nothing, SourceError::Denied { .. }), "{nothing}");
    assert_eq!(granted.expect("SELECT is all that is needed"), 20);
    assert!(
        revoked.to_string().starts_with(&format!("role `{role}` may not read `directus.venues.id`")),
        "{revoked}"
    );
    assert!(
        unrelated
            .to_string()
            .starts_with(&format!("role `{role}` may not read `directus.directus_relations` at ")),
        "{unrelated}"
    );
    assert!(revoked.hint().is_some_and(|hint| hint.contains("GRANT SELECT")));
    for refused in [&nothing, &revoked, &hidden, &unrelated] {
        assert!(refused.hint().is_some_and(|hint| hint.contains("`sonograph doctor grants`")), "{refused}");
    }
    assert!(
        hidden.to_string().starts_with("row-level security hides rows of `directus.artists`"),
        "{hidden}"
    );
}

#[tokio::test]
async fn each_way_of_not_getting_in_says_which_and_never_shows_the_password() {
    let scratch = Scratch::new().await;
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
            "postgresql://u:s3cret@localhost/d?sslmod=require".to_owned(),
            "the PostgreSQL URL cannot be used: it has a parameter about TLS that is none; `sslmode=require` asks for it"
                .to_owned(),
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
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains(r#"`schema = ["sonik_ios", "sonik_web"]`"#), "{hint}");
    let choose = |schema: &str| SourceOptions {
        naming: BTreeMap::from([(
            "touchpoints".to_owned(),
            Naming { schema: [schema].into(), ..Naming::default() },
        )]),
        ..SourceOptions::default()
    };
    let (databases, cx) = (Databases::one(&scratch.url()), Context::silent());
    let chosen = read_facts(&databases, &choose("sonik_ios"), &cx).await.expect("the choice is taken");
    assert_eq!((&chosen.touch_schemas[..], chosen.touches.len()), (&["sonik_ios".to_owned()][..], 0));
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
    let mut session = Session::open(&scratch.url()).await.expect("opens");
    let refused = session.rows("DELETE FROM directus.events_artists", "a write", None).await;
    let refused = refused.expect_err("the transaction is read-only").to_string();
    assert!(
        refused.ends_with("cannot execute DELETE in a read-only transaction (SQLSTATE 25006)"),
        "{refused}"
    );
    session.close().await;
}

/// What a view or function says of a value, in an error of whatever code, may be quoted from it.
#[tokio::test]
async fn what_a_view_of_the_source_says_of_a_value_is_not_told() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let raised = |code: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION sonik_web.told(t text) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'cannot normalise \"%\"', t USING ERRCODE = '{code}'; END $$"
        )
    };
    scratch
        .run(&format!(
            "ALTER TABLE sonik_web.users RENAME TO users_raw; {};
             CREATE VIEW sonik_web.users AS SELECT id, sonik_web.told(email) AS email, name FROM sonik_web.users_raw",
            raised("P0001")
        ))
        .await;
    for code in [
        "P0001", "42P01", "XX000", "38000", "53200", "57014", "57P01", "40001", "0A000", "42501", "22000",
        "08006",
    ] {
        scratch.run(&raised(code)).await;
        let read =
            read_facts(&Databases::one(&scratch.url()), &SourceOptions::default(), &Context::silent()).await;
        let refused = read.expect_err("the view fails");
        let cause = std::error::Error::source(&refused).map(ToString::to_string);
        let told = format!("{refused} {refused:?} {cause:?} {:?}", refused.hint());
        assert!(told.contains("sonik_web.users") && !told.contains("fans.example"), "{code}: {told}");
    }
    scratch
        .run("CREATE OR REPLACE FUNCTION sonik_web.told(t text) RETURNS text LANGUAGE sql AS 'SELECT t::regclass::text'")
        .await;
    let read =
        read_facts(&Databases::one(&scratch.url()), &SourceOptions::default(), &Context::silent()).await;
    let refused = read.expect_err("no table is called so").to_string();
    assert!(refused.contains("SQLSTATE") && !refused.contains("example"), "{refused}");
}

#[tokio::test]
async fn a_connection_that_breaks_says_what_was_being_read() {
    let scratch = Scratch::new().await;
    let mut session = Session::open(&scratch.url()).await.expect("opens");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    scratch.run(end).await;
    let lost = session.rows("SELECT 1", "directus.events", None).await.expect_err("the session was ended");
    assert!(lost.to_string().starts_with("lost the connection to PostgreSQL at "), "{lost}");
    assert!(lost.to_string().ends_with(" while reading `directus.events`"), "{lost}");
    assert_eq!(lost.fault(), Fault::Environment);
}

#[tokio::test]
async fn one_broken_layout_does_not_hide_the_others() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("DROP TABLE directus.events_artists").await;
    scratch.run("ALTER TABLE sonik_web.tracks DROP COLUMN event").await;
    let found = layouts(&Databases::one(&scratch.url()), &SourceOptions::default(), &Context::silent()).await;
    let found = {
        let mut found = found;
        found.remove(0).expect("the database answers").sources
    };
    let told: Vec<_> = found.iter().map(|source| (source.name, source.found.is_ok())).collect();
    assert_eq!(told, [("directus", true), ("twenty", true), ("unified", true), ("touchpoints", false)]);
    let broken = found[3].found.as_ref().expect_err("tracks has no event");
    assert_eq!(broken.to_string(), "table `sonik_web.tracks` of touchpoints has no column `event`");
}
