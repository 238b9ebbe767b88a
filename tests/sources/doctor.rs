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
    // Without the zones of its venues a wall clock is no time.
    let directus = [
        "schema directus",
        "release 20260909A",
        "lineup through events_artists",
        "not found: directus.venues.timezone",
    ];
    told_of("directus", "note", &directus);
    let hint = &checks.iter().find(|check| check["check"] == "directus").expect("it is there")["hint"];
    let hint = hint.as_str().expect("a hint");
    assert!(hint.ends_with("name them: sources.directus.columns.venues.timezone"), "{hint}");
    told_of(
        "directus.venues",
        "ok",
        &["4 rows", "newest 2025-12-", "`timezone` or `time_zone` or `tz`", "`capacity`"],
    );
    told_of("directus.events", "ok", &["4 rows", "name is `title`"]);
    // The one just bared, and the one a scraper wrote.
    told_of("directus.artists", "ok", &["2 without a stamp"]);
    told_of("unified", "note", &["schema unified; not found: unified.entity_sources"]);
    told_of("touchpoints", "ok", &["schema sonik_web", "layout of segment", "no user_followed"]);
    // Its schema is called otherwise than its id says, so it is not taken for the workspace.
    told_of("twenty", "note", &["no such layout"]);
}

#[tokio::test]
async fn tables_that_are_gone_from_a_layout_are_named_by_doctor_and_by_the_plan() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let look = || {
        let doctor = sonograph(&scratch, &scratch.url(), &["doctor", "--json"]);
        assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor.stderr));
        let checks: Vec<Value> =
            text(&doctor.stdout).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let sources = ["directus", "twenty", "unified", "touchpoints"].map(|source| {
            let check = checks.iter().find(|check| check["check"] == source).expect("it is looked for");
            let missing = check["found"].as_str().and_then(|found| found.split_once("not found: "));
            (check["verdict"].as_str().unwrap_or_default().to_owned(), missing.map(|m| m.1.to_owned()))
        });
        let plan = sonograph(&scratch, &scratch.url(), &["mirror", "plan"]);
        assert_eq!(plan.status.code(), Some(0), "{}", text(&plan.stderr));
        let told = text(&plan.stderr);
        let noted: Vec<String> =
            told.lines().filter_map(|line| line.split_once("not found: ")).map(|l| l.1.to_owned()).collect();
        (sources, noted)
    };
    let (sources, noted) = look();
    assert_eq!(sources, std::array::from_fn(|_| ("ok".to_owned(), None)));
    assert_eq!(noted, [""; 0], "the published layouts lack nothing");

    // A junction that Directus still names, and what Directus does not know to be gone.
    scratch
        .run(&format!(
            r#"DROP TABLE directus.events_artists; DROP TABLE {WORKSPACE}."timelineActivity";
               DROP TABLE unified.claim_events; DROP TABLE sonik_web.users, sonik_web.aliases;
               ALTER TABLE directus.events RENAME TO shows"#
        ))
        .await;
    let (sources, noted) = look();
    let timeline = format!("{WORKSPACE}.timelineActivity");
    let missing = [
        "directus.events, directus.events_artists",
        &timeline,
        "unified.claim_events",
        "sonik_web.users, sonik_web.aliases",
    ];
    assert_eq!(sources, missing.map(|tables| ("note".to_owned(), Some(tables.to_owned()))));
    let all = format!(
        "directus:directus.events, directus:directus.events_artists, twenty:{timeline}, \
         unified:unified.claim_events, touchpoints:sonik_web.users, touchpoints:sonik_web.aliases, \
         which count as empty"
    );
    assert_eq!(noted, [all], "once");

    scratch
        .run(
            "DROP TABLE directus.venues, directus.artists CASCADE;
             DROP TABLE unified.entity_sources; DROP TABLE sonik_web.identifies",
        )
        .await;
    let ([directus, _, unified, touchpoints], _) = look();
    let named =
        |(verdict, missing): (String, Option<String>)| (verdict == "note", missing.unwrap_or_default());
    let collections = "directus.venues, directus.artists, directus.events, directus.events_artists";
    assert_eq!(named(directus), (true, collections.to_owned()));
    assert_eq!(named(unified), (true, "unified.entity_sources, unified.claim_events".to_owned()));
    let people = "sonik_web.identifies, sonik_web.users, sonik_web.aliases";
    assert_eq!(named(touchpoints), (true, people.to_owned()));
}
