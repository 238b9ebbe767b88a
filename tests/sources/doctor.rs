//! What `sonograph doctor` tells of an installation: what was found where, and what is missing.

use serde_json::Value;

use crate::WORKSPACE;
use crate::read_only::{sonograph, text};
use crate::scratch::Scratch;

#[tokio::test]
async fn doctor_tells_every_layout_with_its_tables_and_what_they_lack() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch
        .run(&format!(
            r"ALTER TABLE directus.venues DROP COLUMN timezone, DROP COLUMN capacity;
               ALTER TABLE directus.events RENAME name TO title;
               DROP TABLE unified.entity_sources; DROP TABLE sonik_web.user_followed;
               UPDATE directus.artists SET date_created = NULL, date_updated = NULL WHERE name = 'DJ Ostara';
               ALTER SCHEMA {WORKSPACE} RENAME TO workspace_elsewhere"
        ))
        .await;
    let doctor = sonograph(&scratch, &scratch.url(), &["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor.stderr));
    let told = text(&doctor.stdout);
    let checks: Vec<Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let check = |what: &str| {
        let check = checks
            .iter()
            .find(|check| check["check"] == what)
            .unwrap_or_else(|| panic!("no {what} in {told}"));
        ["verdict", "found"].map(|key| check[key].as_str().unwrap_or_default().to_owned())
    };
    let told_of = |what: &str, verdict: &str, parts: &[&str]| {
        let [judged, found] = check(what);
        assert_eq!(judged, verdict, "{what}: {found}");
        for part in parts {
            assert!(found.contains(part), "{what}: {part} in {found}");
        }
    };
    told_of("directus", "ok", &["schema directus", "release 20260909A", "lineup through events_artists"]);
    told_of(
        "directus.venues",
        "ok",
        &["4 rows", "newest 2025-12-", "`timezone` or `time_zone` or `tz`", "`capacity`"],
    );
    told_of("directus.events", "ok", &["4 rows", "name is `title`"]);
    // The one just bared, and the one a scraper wrote.
    told_of("directus.artists", "ok", &["2 without a stamp"]);
    told_of("unified", "ok", &["schema unified", "no entity_sources"]);
    told_of("touchpoints", "ok", &["schema sonik_web", "layout of segment", "no user_followed"]);
    // Its schema is called otherwise than its id says, so it is not taken for the workspace.
    told_of("twenty", "note", &["no such layout"]);
}
