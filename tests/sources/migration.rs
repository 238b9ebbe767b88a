//! `doctor migration` on a real server: a copy that is broken in one way after another, each found and named.

use sonograph::context::{Cancel, Context, Silent};
use sonograph::sources::SourceError;
use sonograph::sources::postgres::migration::{Scope, Status};

use crate::moved::{Loss, check, compare, doctor, named, survey};
use crate::scratch::Scratch;

/// What the layouts lack and a real installation has.
const DRESS: &str = "
    CREATE EXTENSION hstore SCHEMA public;
    CREATE DOMAIN unified.handle AS text CHECK (VALUE <> '');
    CREATE FUNCTION unified.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touched BEFORE UPDATE ON unified.entities FOR EACH ROW EXECUTE FUNCTION unified.touch();
    CREATE VIEW unified.venues AS SELECT id, metadata FROM unified.entities WHERE entity_type = 'venue';
    CREATE TABLE unified.guarded (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who text);
    INSERT INTO unified.guarded (who) VALUES ('a'), ('b');
    ALTER TABLE unified.guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY everybody ON unified.guarded FOR SELECT USING (who <> 'c');
    GRANT SELECT ON unified.entities TO pg_monitor;
    ALTER DEFAULT PRIVILEGES IN SCHEMA unified GRANT SELECT ON TABLES TO pg_monitor;
    CREATE PUBLICATION realtime FOR TABLE unified.entities;
    CREATE STATISTICS unified.together ON entity_type, claim_status FROM unified.entities;
    SELECT lo_from_bytea(0, 'x');";

/// Breaks a copy in each way and expects the check to say so, naming what is meant.
async fn found(losses: &[Loss<'_>]) {
    let Some(old) = Scratch::with_layouts().await else { return };
    old.run(DRESS).await;
    named(&old, "", losses, |_, _| ()).await;
}

#[tokio::test]
async fn a_faithful_copy_passes_with_every_table_compared() {
    let Some(old) = Scratch::with_layouts().await else { return };
    old.run(DRESS).await;
    let new = old.copy().await;
    let verdict = compare(&old, &new).await;
    assert!(verdict.passed(), "{verdict:#?}");
    assert_eq!(check(&verdict, "primary keys").found, "38 on both sides"); // 37 of the layouts and ours
    assert_eq!(check(&verdict, "foreign keys").found, "33 on both sides");
    assert_eq!(check(&verdict, "row checksums").found, "equal in 39 tables"); // and the large objects
    assert_eq!(check(&verdict, "row security").found, "38 on both sides");
    // A copy was never analysed: that is to be looked at, and passes.
    assert_eq!(check(&verdict, "planner statistics").status, Status::Warn);
    new.run("ANALYZE").await;
    assert_eq!(check(&compare(&old, &new).await, "planner statistics").status, Status::Ok);
    for name in ["directus", "twenty", "unified", "touchpoints"] {
        let service = check(&verdict, &format!("service {name}"));
        assert_eq!(service.status, Status::Ok, "{service:?}");
        assert!(service.found.contains(" rows, newest row 20"), "{service:?}");
    }
}

#[tokio::test]
async fn a_restore_that_died_half_way_passes_every_checksum_and_fails() {
    let Some(old) = Scratch::with_layouts().await else { return };
    let new = old.copy().await;
    // What such a restore lacks is the last part of the dump: keys, constraints and indexes.
    new.run(
        "DO $$ DECLARE r record; BEGIN
           FOR r IN SELECT conrelid::regclass AS t, conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
                    WHERE contype IN ('p', 'f', 'u') AND nspname !~ '^pg_' ORDER BY contype = 'f' DESC LOOP
             EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname);
           END LOOP;
           FOR r IN SELECT indexrelid::regclass AS i FROM pg_index JOIN pg_class c ON c.oid = indexrelid
                    JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname !~ '^pg_' LOOP
             EXECUTE format('DROP INDEX %s', r.i);
           END LOOP;
         END $$",
    )
    .await;
    let verdict = compare(&old, &new).await;
    assert_eq!(check(&verdict, "row checksums").status, Status::Ok);
    assert_eq!(check(&verdict, "row counts").status, Status::Ok);
    assert!(!verdict.passed());
    for (name, said) in [
        ("primary keys", "37 of 37 missing"),
        ("foreign keys", "33 of 33 missing"),
        ("indexes", "52 of 52 missing"),
    ] {
        assert!(check(&verdict, name).found.starts_with(said), "{:?}", check(&verdict, name));
    }
}

#[tokio::test]
async fn every_kind_of_damage_to_the_structure_is_found_and_named() {
    use Status::{Fail, Warn};
    found(&[
        ("DROP SCHEMA sonik_web CASCADE", "schemas", Fail, "sonik_web"),
        ("DROP TABLE directus.events_artists", "tables and views", Fail, "directus.events_artists"),
        ("ALTER TABLE unified.claim_events SET UNLOGGED", "tables and views", Fail, "unified.claim_events"),
        ("ALTER TABLE directus.venues ALTER name DROP NOT NULL", "columns", Fail, "directus.venues.name"),
        ("ALTER TABLE unified.entities ALTER id SET DEFAULT gen_random_uuid()", "columns", Fail, "uuidv7()"),
        ("ALTER TABLE unified.entity_sources DROP CONSTRAINT entity_sources_pkey", "primary keys", Fail, "entity_sources_pkey"),
        ("ALTER TABLE unified.claim_events DROP CONSTRAINT claim_events_entity_id_fkey", "foreign keys", Fail, "claim_events_entity_id_fkey"),
        ("ALTER TABLE unified.entities DROP CONSTRAINT entities_claim_owner", "check constraints", Fail, "entities_claim_owner"),
        ("ALTER DOMAIN unified.handle DROP CONSTRAINT handle_check", "check constraints", Fail, "unified.handle.handle_check"),
        ("DROP INDEX unified.claim_events_entity_time", "indexes", Fail, "unified.claim_events_entity_time"),
        ("ALTER TYPE workspace_1wgvd1injqtife6y4rvfbu3h5.opportunity_stage_enum ADD VALUE 'LOST'", "enums", Fail, "CUSTOMER, LOST"),
        ("ALTER SEQUENCE directus.events_id_seq CYCLE", "sequences", Fail, "directus.events_id_seq"),
        ("CREATE OR REPLACE VIEW unified.venues AS SELECT id, metadata FROM unified.entities", "views", Warn, "unified.venues"),
        ("ALTER TABLE unified.entities DISABLE TRIGGER touched", "triggers", Fail, "unified.entities.touched"),
        ("CREATE OR REPLACE FUNCTION unified.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'", "functions", Fail, "unified.touch()"),
        ("DROP STATISTICS unified.together", "statistics objects", Fail, "unified.together"),
        ("SELECT lo_unlink(oid) FROM pg_largeobject_metadata", "large objects", Fail, "all of them"),
        ("ALTER TABLE directus.artists ENABLE ROW LEVEL SECURITY", "row security", Fail, "directus.artists: off → on"),
        ("DROP POLICY everybody ON unified.guarded", "policies", Fail, "unified.guarded.everybody"),
        ("DROP EXTENSION hstore", "extensions", Fail, "hstore 1.8 is missing"),
    ])
    .await;
}

#[tokio::test]
async fn rows_and_sequences_that_changed_are_found_and_named() {
    use Status::Fail;
    found(&[
        (
            "UPDATE directus.venues SET latitude = latitude + 0.0001 WHERE name = 'Kiln Room'",
            "row checksums",
            Fail,
            "directus.venues",
        ),
        (
            "UPDATE unified.entities SET metadata = metadata || '{\"x\":null}' WHERE entity_type = 'venue'",
            "row checksums",
            Fail,
            "unified.entities",
        ),
        ("DELETE FROM sonik_web.tracks WHERE id = 't4'", "row counts", Fail, "sonik_web.tracks: 8 → 7"),
        ("DELETE FROM sonik_web.tracks WHERE id = 't4'", "service touchpoints", Fail, "schema sonik_web"),
        ("DROP TABLE sonik_web.identifies", "service touchpoints", Fail, "is schema sonik_web, 3 tables"),
        ("DROP TABLE sonik_web.identifies, sonik_web.tracks", "service touchpoints", Fail, "not found"),
        (
            "ALTER SEQUENCE directus.events_id_seq RESTART",
            "sequences against max(column)",
            Fail,
            "directus.events.id has 4",
        ),
        (
            "ALTER TABLE unified.guarded ALTER id RESTART",
            "sequences against max(column)",
            Fail,
            "unified.guarded.id has 2",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_does_not_serve_what_is_left_over_and_who_may_do_what_is_found_and_named() {
    use Status::{Fail, Warn};
    let invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'unified.claim_events_entity_time'::regclass";
    let unvalidated = "ALTER TABLE unified.claim_events DROP CONSTRAINT claim_events_entity_id_fkey,
        ADD CONSTRAINT claim_events_entity_id_fkey FOREIGN KEY (entity_id) REFERENCES unified.entities (id) ON DELETE CASCADE NOT VALID";
    let unenforced =
        "ALTER TABLE unified.claim_events ALTER CONSTRAINT claim_events_entity_id_fkey NOT ENFORCED";
    let collation = "UPDATE pg_database SET datcollversion = '0.1' WHERE datname = current_database()";
    found(&[
        (invalid, "invalid indexes", Fail, "unified.claim_events_entity_time"),
        (unvalidated, "unvalidated constraints", Fail, "claim_events_entity_id_fkey"),
        (unenforced, "unenforced constraints", Fail, "claim_events_entity_id_fkey"),
        (collation, "collation version", Fail, "the database: sorted by 0.1"),
        ("CREATE PUBLICATION moving FOR ALL TABLES", "publications on one side", Warn, "moving at "),
        ("REVOKE SELECT ON unified.entities FROM pg_monitor", "grants", Fail, "SELECT on table unified.entities to pg_monitor"),
        ("GRANT INSERT ON unified.entities TO PUBLIC", "grants", Warn, "INSERT on table unified.entities to PUBLIC"),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA unified REVOKE SELECT ON TABLES FROM pg_monitor", "default grants", Fail, "to pg_monitor"),
        ("ALTER TABLE unified.entities OWNER TO pg_database_owner", "owners", Warn, "postgres → pg_database_owner"),
        ("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET app.jwt = ''s3cret''', current_database()); END $$", "settings of applications and idle roles", Warn, "app.jwt of the database"),
    ])
    .await;
}

#[tokio::test]
async fn a_table_of_many_blocks_is_summed_range_by_range_to_the_same_sum() {
    let scratch = Scratch::new().await;
    // A row to a block, and more blocks than one statement reads.
    scratch
        .run(
            "CREATE TABLE public.wide (id int, filler text) WITH (fillfactor = 10);
             ALTER TABLE public.wide ALTER filler SET STORAGE PLAIN;
             INSERT INTO public.wide SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 9000) i",
        )
        .await;
    let cx = Context::silent();
    let sum = async || {
        let side = survey(&scratch.url(), &Scope::default(), &cx).await.expect("read");
        side.tables[0].sum.expect("readable")
    };
    let (rows, whole) = sum().await;
    assert_eq!(rows, 9000);
    let blocks = scratch.count("SELECT pg_relation_size('public.wide') / 8192").await;
    assert!(blocks > 2 * 4096, "{blocks} blocks are read by fewer than three statements");
    let at_once = "SELECT (sum(('x' || substr(md5(w::text), 1, 15))::bit(60)::bigint) % 1000000007)::bigint FROM public.wide w";
    assert_eq!((whole % 1_000_000_007) as i64, scratch.count(at_once).await);
    // A row that moved to the end is the same row; one that changed there is not.
    scratch.run("UPDATE public.wide SET id = id WHERE id = 1").await;
    assert_eq!(sum().await, (rows, whole));
    scratch.run("UPDATE public.wide SET filler = filler || ' ' WHERE id = 9000").await;
    assert_ne!(sum().await, (rows, whole));
}

#[tokio::test]
async fn a_schema_can_be_looked_at_alone_by_a_role_that_may_only_read() {
    let Some(old) = Scratch::with_layouts().await else { return };
    let new = old.copy().await;
    new.run("UPDATE directus.venues SET city = 'Elsewhere'").await;
    let role = format!("auditor_of_{}", old.name);
    old.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'")).await;
    for side in [&old, &new] {
        side.run(&format!(
            "GRANT USAGE ON SCHEMA unified TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA unified TO {role}"
        ))
        .await;
    }
    let home = tempfile::tempdir().expect("a folder");
    let (from, to) = (old.url_as(&role, "x"), new.url_as(&role, "x"));
    let ask = |schema: &[&str]| {
        let arguments = [&["migration", "--from", &from, "--to", &to, "--format", "json"], schema].concat();
        let output = doctor(home.path(), &[], &arguments);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        let failed = told["checks"].as_array().expect("checks").iter().filter(|c| c["status"] == "fail");
        let failed: Vec<String> = failed.map(|c| c["check"].as_str().expect("a name").to_owned()).collect();
        (output.status.code(), failed)
    };
    let alone = ask(&["--schema", "unified"]);
    let nowhere = ask(&["--schema", "no_such"]);
    let everything = ask(&[]);
    for side in [&new, &old] {
        side.run(&format!("DROP OWNED BY {role}")).await;
    }
    old.run(&format!("DROP ROLE {role}")).await;
    assert_eq!(alone, (Some(0), vec![]));
    assert_eq!(nowhere, (Some(1), vec!["inventory".to_owned()]));
    // What the role may not read has not been compared.
    assert_eq!(
        everything,
        (Some(1), vec!["tables read".to_owned(), "sequences against max(column)".to_owned()])
    );
}

#[tokio::test]
async fn a_subscription_that_was_left_over_is_found_and_named() {
    let Some(old) = Scratch::with_layouts().await else { return };
    let new = old.copy().await;
    let connection = "host=127.0.0.1 port=1 dbname=old";
    new.run(&format!(
        "CREATE SUBSCRIPTION moving CONNECTION '{connection}' PUBLICATION p WITH (connect = false)"
    ))
    .await;
    let verdict = compare(&old, &new).await;
    // A database with a subscription cannot be dropped.
    new.run("ALTER SUBSCRIPTION moving SET (slot_name = NONE)").await;
    new.run("DROP SUBSCRIPTION moving").await;
    let check = check(&verdict, "subscriptions");
    assert_eq!(check.status, Status::Warn);
    assert!(check.found.starts_with("moving at ") && check.found.ends_with(", disabled"), "{check:?}");
}

#[tokio::test]
async fn a_request_to_stop_is_heard_between_two_tables() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let cancel = Cancel::default();
    let cx = Context::new(std::sync::Arc::new(Silent), cancel.clone(), 1, 1);
    cancel.request();
    let stopped = survey(&scratch.url(), &Scope::default(), &cx).await;
    assert!(matches!(stopped, Err(SourceError::Cancelled(_))), "{stopped:?}");
}

#[tokio::test]
async fn row_security_that_hides_rows_from_the_reader_is_an_error_and_no_verdict() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let role = format!("hidden_from_{}", scratch.name);
    scratch
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO {role};
             ALTER TABLE directus.artists ENABLE ROW LEVEL SECURITY"
        ))
        .await;
    let read = survey(&scratch.url_as(&role, "x"), &Scope::default(), &Context::silent()).await;
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert!(matches!(read, Err(SourceError::RowSecurity { .. })), "{read:?}");
}

#[tokio::test]
async fn the_command_answers_with_its_exit_code_and_a_page_for_the_ticket_that_shows_no_password() {
    let Some(old) = Scratch::with_layouts().await else { return };
    let new = old.copy().await;
    let home = tempfile::tempdir().expect("a folder");
    let (from, to) = (old.url(), new.url());
    let variables = [("OLD", from.as_str()), ("NEW", to.as_str())];
    let ask = |variables: &[(&str, &str)], arguments: &[&str]| {
        doctor(home.path(), variables, &[&["migration"], arguments].concat())
    };
    let named = ["--from", "env:OLD", "--to", "env:NEW", "--out", "verdict"];
    let password = old.server.password().unwrap_or("s3cret").to_owned();

    let passed = ask(&variables, &named);
    let told =
        format!("{}{}", String::from_utf8_lossy(&passed.stdout), String::from_utf8_lossy(&passed.stderr));
    assert_eq!(passed.status.code(), Some(0), "{told}");
    let read =
        |name: &str| std::fs::read_to_string(home.path().join("verdict").join(name)).expect("it is written");
    let first = (read("verdict.md"), read("verdict.json"));
    assert!(first.0.starts_with("# Migration check: pass\n"), "{}", first.0);
    ask(&variables, &named);
    assert_eq!((read("verdict.md"), read("verdict.json")), first, "no clock stands in them");

    new.run("ALTER TABLE unified.claim_events DROP CONSTRAINT claim_events_pkey").await;
    let no = ask(&[], &["--from", &from, "--to", &to, "--format", "json", "--out", "verdict"]);
    assert_eq!(no.status.code(), Some(1));
    let verdict: serde_json::Value = serde_json::from_slice(&no.stdout).expect("one object");
    assert_eq!(verdict["verdict"], "no");
    let all = format!("{told}{no:?}{}{}{}", read("verdict.md"), read("verdict.json"), read("run.json"));
    assert!(!all.contains(&password), "a password is shown");

    for (arguments, code, said) in [
        (
            ["--from", "env:OLD", "--to", "postgresql://127.0.0.1:1/x"],
            3,
            "hint: check host and port, that the",
        ),
        (["--from", "env:OLD", "--to", "env:OLD"], 2, "--from and --to are one database"),
        (["--from", "env:NOWHERE", "--to", "env:NEW"], 2, "`NOWHERE`"),
        (["--from", "env:NOWHERE", "--to", "env:NEW"], 2, "and env:OLD here"),
        (["--from", "OLD", "--to", "env:NEW"], 2, "--from: it is no URL"),
        (["--from", "postgresql://u:s3cret@127.0.0.1:1/x", "--to", "env:NEW"], 3, "cannot look at --from"),
        (["--from", "mysql://u:s3cret@h/x", "--to", "env:NEW"], 2, "it does not begin with postgresql://"),
    ] {
        let refused = ask(&variables, &arguments);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{told}");
        // A private server would be neither the old one nor the new one.
        assert!(!told.contains("services up"), "{told}");
        assert!(told.contains(said) && !told.contains("s3cret") && !told.contains(&password), "{told}");
    }
    std::fs::create_dir(home.path().join("mine")).expect("made");
    std::fs::write(home.path().join("mine/letter"), "").expect("written");
    let foreign = ask(&variables, &["--from", "env:OLD", "--to", "env:NEW", "--out", "mine"]);
    assert_eq!(foreign.status.code(), Some(2));
}
