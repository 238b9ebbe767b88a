//! The migrations of `unified.entities` and its companions, on a real server.

use std::path::Path;

use sonograph::config::Naming;
use sonograph::context::Context;
use sonograph::sources::postgres::Session;
use sonograph::sources::postgres::migration::{Item, Scope};
use sonograph::sources::postgres::unified_schema::{MIGRATIONS, State, plan};

use crate::moved::{doctor, survey};
use crate::scratch::Scratch;

async fn inventory(scratch: &Scratch) -> Vec<Item> {
    let scope = Scope { schemas: vec!["unified".to_owned()] };
    let mut items = survey(&scratch.url(), &scope, &Context::silent()).await.expect("read").inventory;
    items.sort();
    items
}

async fn states(scratch: &Scratch) -> Vec<State> {
    let session = Session::open(&scratch.url()).await.expect("opens");
    let plan = plan(&session, &Naming::default()).expect("one layout");
    let states = plan.into_iter().map(|step| step.state).collect();
    session.close().await;
    states
}

/// What `doctor unified-schema` says on its two streams.
fn said(scratch: &Scratch, home: &Path, arguments: &[&str]) -> [String; 2] {
    let url = scratch.url();
    let output =
        doctor(home, &[("SONOGRAPH_POSTGRES_URL", &url)], &[&["unified-schema"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("text"))
}

#[tokio::test]
async fn the_migrations_make_exactly_the_layout_that_is_read_however_often_they_run() {
    let Some(expected) = Scratch::with(&["unified"]).await else { return };
    let made = Scratch::new().await;
    for _ in 0..2 {
        for migration in MIGRATIONS {
            made.run(migration.sql).await;
        }
    }
    let items = inventory(&made).await;
    assert_eq!(items, inventory(&expected).await);
    assert!(items.len() > 40, "{items:?}");
}

#[tokio::test]
async fn what_is_there_is_left_alone_and_what_is_not_quite_there_is_told() {
    let scratch = Scratch::new().await;
    assert_eq!(states(&scratch).await, [State::Missing, State::Missing, State::Missing]);
    scratch.run(MIGRATIONS[0].sql).await;
    assert_eq!(states(&scratch).await, [State::Present, State::Missing, State::Missing]);
    scratch.run(MIGRATIONS[2].sql).await;
    scratch.run("ALTER TABLE unified.claim_events DROP COLUMN method, DROP COLUMN reason").await;
    assert_eq!(
        states(&scratch).await,
        [State::Present, State::Missing, State::Lacks(vec!["method", "reason"])]
    );
}

#[tokio::test]
async fn the_command_prints_what_is_missing_and_executes_nothing() {
    let scratch = Scratch::new().await;
    scratch.run(MIGRATIONS[0].sql).await;
    let home = tempfile::tempdir().expect("a folder");
    let ask = |arguments: &[&str]| {
        let [shown, _] = said(&scratch, home.path(), arguments);
        shown
    };
    let shown = ask(&[]);
    assert!(
        shown.contains("0001_entities") && shown.contains("present") && shown.contains("missing"),
        "{shown}"
    );
    let sql = ask(&["--sql"]);
    assert!(!sql.contains("0001_entities") && sql.contains("-- 0002_entity_sources"), "{sql}");
    assert_eq!(states(&scratch).await[1], State::Missing);
    scratch.run(&sql).await;
    assert_eq!(states(&scratch).await, [State::Present, State::Present, State::Present]);
    assert_eq!(ask(&["--sql"]), "");
}

#[tokio::test]
async fn the_command_looks_where_the_layout_is_and_prints_no_statements_for_another_place() {
    let scratch = Scratch::new().await;
    for migration in &MIGRATIONS[..2] {
        scratch.run(migration.sql).await;
    }
    scratch.run("ALTER SCHEMA unified RENAME TO unif").await;
    let home = tempfile::tempdir().expect("a folder");
    let ask = |arguments: &[&str]| said(&scratch, home.path(), arguments);
    let [shown, said] = ask(&[]);
    let states = |shown: &str| {
        let last = |line: &str| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
        shown.lines().filter(|line| line.trim_start().starts_with("000")).map(last).collect::<Vec<_>>()
    };
    let found = ["unif.entities present", "unif.entity_sources present", "unif.claim_events missing"];
    assert_eq!(states(&shown), found);
    assert!(said.contains("in schema `unified`") && !said.contains("--sql"), "{said}");
    let [sql, said] = ask(&["--sql"]);
    assert_eq!((sql.as_str(), states(&said)), ("", found.map(str::to_owned).to_vec()));

    scratch
        .run("ALTER TABLE unif.entities RENAME TO things; ALTER TABLE unif.things RENAME claimed_by TO owner")
        .await;
    let config = "[sources.unified]\nschema = 'unif'\nentities = 'things'\n\
                  [sources.unified.columns.entities]\nclaimed_by = 'owner'\n";
    std::fs::write(home.path().join("sonograph.toml"), config).expect("it is written");
    assert_eq!(states(&ask(&[])[0])[0], "unif.things present");
    std::fs::write(home.path().join("sonograph.toml"), "[sources.unified]\nschema = 'unified'\n")
        .expect("it is written");
    let [sql, _] = ask(&["--sql"]);
    scratch.run(&sql).await;
    assert!(states(&ask(&[])[0]).iter().all(|state| state.ends_with("present")));
}
