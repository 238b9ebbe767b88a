//! The migrations of `unified.entities` and its companions, on a real server.

use std::process::Command;

use sonograph::context::Context;
use sonograph::sources::postgres::Session;
use sonograph::sources::postgres::migration::{self, Item, Scope};
use sonograph::sources::postgres::unified_schema::{MIGRATIONS, State, plan};

use crate::scratch::Scratch;

async fn inventory(scratch: &Scratch) -> Vec<Item> {
    let scope = Scope { schemas: vec!["unified".to_owned()] };
    let mut session = Session::open(&scratch.url()).await.expect("opens");
    let side = migration::survey(&mut session, &scope, "side", &Context::silent()).await.expect("read");
    session.close().await;
    let mut items = side.inventory;
    items.sort();
    items
}

async fn states(scratch: &Scratch) -> Vec<State> {
    let session = Session::open(&scratch.url()).await.expect("opens");
    let states = plan(&session.catalog()).into_iter().map(|(_, state)| state).collect();
    session.close().await;
    states
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
        command.current_dir(home.path()).env_clear().env("SONOGRAPH_POSTGRES_URL", scratch.url());
        let output = command.args(["doctor", "unified-schema"]).args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
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
