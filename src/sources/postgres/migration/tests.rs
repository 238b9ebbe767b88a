//! Every finding of the comparison, from surveys written by hand.

use super::*;

fn item(kind: &str, identity: &str, definition: &str) -> Item {
    Item { kind: kind.into(), identity: identity.into(), definition: definition.into() }
}

fn side() -> Survey {
    Survey {
        place: "old:5432/sonik".into(),
        version_number: 180_004,
        version: "18.4".into(),
        fingerprint: "one".into(),
        encoding: "UTF8".into(),
        locale: "C / C".into(),
        inventory: vec![
            item("schema", "web", ""),
            item("table", "web.tracks", "rp"),
            item("row security", "web.tracks", "off"),
            item("column", "web.tracks.id", "integer NOT NULL"),
            item("primary key", "web.tracks.tracks_pkey", "PRIMARY KEY (id)"),
            item("check constraint", "web.tracks.sane", "CHECK ((((id > 0) AND (id < 9))))"),
            item("trigger", "web.tracks.hook", "EXECUTE FUNCTION call('Bearer s3cret') O"),
        ],
        access: vec![
            item("role", "ana", "login"),
            item("role", "idle", "login"),
            item("used role", "ana", ""),
            item("grant", "SELECT on table web.tracks to ana", ""),
            item("setting", "app.secret of the database", "0a1b"),
        ],
        tables: vec![Table { name: "web.tracks".into(), sum: Some((3, 33)), analysed: true }],
        sequences: vec![Sequence {
            name: "web.tracks_id_seq".into(),
            readable: true,
            descending: false,
            last: Some(3),
            column: Some("web.tracks.id".into()),
            furthest: Some(3),
        }],
        extensions: vec![Extension {
            name: "postgis".into(),
            version: "3.4".into(),
            available: Some("3.4".into()),
        }],
        collations: Some(Vec::new()),
        md5_passwords: Some(Vec::new()),
        ..Survey::default()
    }
}

/// What a change of the new side is found as: checks that are not ok, with their status.
fn found(change: impl FnOnce(&mut Survey)) -> Vec<(String, Status)> {
    let mut to = side();
    change(&mut to);
    let checks = compare(&side(), &to, Vec::new()).checks.into_iter();
    checks.filter(|c| c.status != Status::Ok).map(|c| (c.check, c.status)).collect()
}

fn one(check: &str, status: Status) -> Vec<(String, Status)> {
    vec![(check.to_owned(), status)]
}

fn without(kind: &'static str) -> impl Fn(&mut Survey) {
    move |side| {
        side.inventory.retain(|item| item.kind != kind);
        side.access.retain(|item| item.kind != kind);
    }
}

#[test]
fn equal_sides_pass() {
    let verdict = compare(&side(), &side(), Vec::new());
    assert!(verdict.passed(), "{verdict:#?}");
    assert!(verdict.checks.iter().all(|check| check.status == Status::Ok && check.hint.is_none()));
}

#[test]
fn what_is_missing_is_found_under_its_own_name_however_equal_the_rows_are() {
    assert_eq!(found(without("primary key")), one("primary keys", Status::Fail));
    assert_eq!(found(without("check constraint")), one("check constraints", Status::Fail));
    assert_eq!(found(without("column")), one("columns", Status::Fail));
    assert_eq!(found(without("trigger")), one("triggers", Status::Fail));
    assert_eq!(found(without("grant")), one("grants", Status::Fail));
    assert_eq!(found(|to| to.extensions.clear()), one("extensions", Status::Fail));
}

#[test]
fn two_empty_databases_are_not_equal_but_unread() {
    let verdict = compare(&Survey::default(), &Survey::default(), Vec::new());
    let inventory = verdict.checks.iter().find(|c| c.check == "inventory").expect("it is checked");
    assert_eq!(inventory.status, Status::Fail);
}

#[test]
fn parentheses_may_differ_between_versions_and_not_within_one() {
    let fewer = |side: &mut Survey| side.inventory[5].definition = "CHECK (((id > 0) AND (id < 9)))".into();
    assert_eq!(found(fewer), one("check constraints", Status::Fail));
    let mut old = side();
    old.version_number = 150_018;
    let mut new = side();
    fewer(&mut new);
    let verdict = compare(&old, &new, Vec::new());
    assert!(verdict.passed());
    let check = verdict.checks.iter().find(|c| c.check == "check constraints").expect("it is checked");
    assert_eq!(check.found, "1 on both sides; 1 printed with other parentheses");
    new.inventory[5].definition = "CHECK ((id > 0) AND (id < 8))".into();
    assert!(!compare(&old, &new, Vec::new()).passed());
}

#[test]
fn row_security_that_was_turned_on_is_found() {
    assert_eq!(found(|to| to.inventory[2].definition = "on".into()), one("row security", Status::Fail));
}

#[test]
fn a_publication_on_one_side_has_no_contents_to_compare() {
    let piece = |publication: &str, definition: &str| Published {
        publication: publication.into(),
        piece: "publishes".into(),
        definition: definition.into(),
    };
    let mut from = side();
    from.publications = vec![piece("realtime", "insert"), piece("moving", "insert")];
    let mut to = side();
    to.publications = vec![piece("realtime", "insert")];
    assert!(compare(&from, &to, Vec::new()).passed());
    to.publications = vec![piece("realtime", "insert update")];
    let verdict = compare(&from, &to, Vec::new());
    let check = verdict.checks.iter().find(|c| c.check == "contents of publications").expect("it is checked");
    assert_eq!(check.details, ["differs: realtime: publishes: insert → insert update"]);
    assert!(!verdict.passed());
}

#[test]
fn rows_are_compared_by_number_and_by_content() {
    assert_eq!(found(|to| to.tables[0].sum = Some((2, 33))), one("row counts", Status::Fail));
    assert_eq!(found(|to| to.tables[0].sum = Some((3, 34))), one("row checksums", Status::Fail));
    assert_eq!(found(|to| to.tables[0].sum = None), one("tables read", Status::Fail));
    assert_eq!(found(|to| to.tables.clear()), one("row counts", Status::Fail));
}

#[test]
fn a_sequence_behind_its_column_fails_and_one_that_always_was_is_only_told() {
    let check = "sequences against max(column)";
    assert_eq!(found(|to| to.sequences[0].last = None), one(check, Status::Fail));
    assert_eq!(found(|to| to.sequences[0].last = Some(2)), one(check, Status::Fail));
    assert_eq!(found(|to| to.sequences[0].readable = false), one(check, Status::Fail));
    assert_eq!(found(|to| to.sequences[0].last = Some(9)), []);
    let mut old = side();
    old.sequences[0].furthest = Some(7);
    let verdict = compare(&old, &old.clone(), Vec::new());
    assert!(verdict.passed());
    assert_eq!(verdict.count(Status::Warn), 1);
}

#[test]
fn a_sequence_that_counts_down_is_behind_the_other_way_round() {
    let down = |last| {
        let mut side = side();
        let sequence = &mut side.sequences[0];
        (sequence.descending, sequence.last, sequence.furthest) = (true, Some(last), Some(-5));
        side
    };
    assert!(compare(&down(-5), &down(-5), Vec::new()).passed());
    assert!(!compare(&down(-5), &down(-4), Vec::new()).passed());
}

#[test]
fn a_role_that_is_missing_fails_when_something_hangs_on_it() {
    assert_eq!(found(|to| to.access.retain(|i| i.identity != "ana")), one("roles", Status::Fail));
    assert_eq!(found(|to| to.access.retain(|i| i.identity != "idle")), one("roles", Status::Warn));
    assert_eq!(found(|to| to.access[0].definition = "login, superuser".into()), one("roles", Status::Warn));
}

#[test]
fn what_only_deserves_a_look_does_not_decide() {
    assert_eq!(found(|to| to.tables[0].analysed = false), one("planner statistics", Status::Warn));
    assert_eq!(found(|to| to.md5_passwords = Some(vec!["ana".into()])), one("md5 passwords", Status::Warn));
    assert_eq!(found(|to| to.md5_passwords = None), one("md5 passwords", Status::Warn));
    assert_eq!(found(|to| to.extensions[0].version = "3.5".into())[0], one("extensions", Status::Warn)[0]);
    for (kind, check) in [
        ("replication slot", "replication slots"),
        ("publication", "publications on one side"),
        ("subscription", "subscriptions"),
    ] {
        let left = Leftover { kind: kind.into(), name: "move".into(), state: String::new() };
        assert_eq!(found(|to| to.leftovers.push(left)), one(check, Status::Warn));
    }
}

#[test]
fn what_does_not_serve_on_the_new_side_fails() {
    for (kind, check) in [
        ("invalid index", "invalid indexes"),
        ("unvalidated constraint", "unvalidated constraints"),
        ("unenforced constraint", "unenforced constraints"),
    ] {
        assert_eq!(found(|to| to.flaws.push((kind.into(), "web.x".into()))), one(check, Status::Fail));
    }
    let changed = ("the database".to_owned(), "2.36".to_owned(), "2.40".to_owned());
    assert_eq!(found(|to| to.collations = Some(vec![changed])), one("collation version", Status::Fail));
    assert_eq!(found(|to| to.encoding = "SQL_ASCII".into()), one("encoding and locale", Status::Fail));
    assert_eq!(found(|to| to.version_number = 170_002)[0], one("server version", Status::Fail)[0]);
}

#[test]
fn a_missing_postgis_is_named_with_what_lives_on_it() {
    let mut to = side();
    to.extensions.clear();
    let verdict = compare(&side(), &to, Vec::new());
    let check = verdict.checks.iter().find(|c| c.check == "extensions").expect("it is checked");
    assert_eq!(check.found, "postgis 3.4 is missing: Directus geometry fields live on it");
}

#[test]
fn no_text_of_a_trigger_and_no_value_of_a_setting_is_told() {
    let mut to = side();
    to.inventory[6].definition = "EXECUTE FUNCTION call('Bearer 0ther') O".into();
    to.access[4].definition = "2c3d".into();
    let verdict = compare(&side(), &to, Vec::new());
    let told = format!("{verdict:?} {}", verdict.markdown());
    assert!(told.contains("web.tracks.hook") && told.contains("app.secret"));
    assert!(!told.contains("s3cret") && !told.contains("0ther") && !told.contains("2c3d"), "{told}");
}

#[test]
fn a_name_cannot_break_out_of_the_page() {
    let mut to = side();
    to.inventory.push(item("table", "web.a|b\n# <script>", "rp"));
    let page = compare(&side(), &to, Vec::new()).markdown();
    assert!(page.contains(r"web.a\|b # \<script>"), "{page}");
}

#[test]
fn the_run_book_explains_every_line() {
    let book = include_str!("../../../../RUNBOOK.md");
    for check in compare(&side(), &side(), Vec::new()).checks {
        assert!(book.contains(&check.check), "RUNBOOK.md does not explain `{}`", check.check);
    }
}
