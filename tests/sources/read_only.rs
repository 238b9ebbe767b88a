//! One role per source that can read it and nothing else, and the proof that reading touches nothing.

use std::process::{Command, Output};

use sonograph::context::Context;
use sonograph::sources::postgres::grants::{readings, script};
use sonograph::sources::postgres::read_only::{changed, rights, sums};
use sonograph::sources::{Databases, SourceOptions, read_facts};
use sqlx::{Connection as _, PgConnection};

use crate::scratch::Scratch;

pub(crate) const PASSWORD: &str = "correct-horse";

fn one(scratch: &Scratch) -> Databases {
    Databases::one(&scratch.url())
}

/// Runs a script of grants, but for psql's own lines, and gives the role a password.
pub(crate) async fn run(scratch: &Scratch, script: &str, role: &str) {
    assert!(!script.contains("PASSWORD"), "{script}");
    let sql: Vec<&str> = script.lines().filter(|line| !line.starts_with('\\')).collect();
    scratch.run(&sql.join("\n")).await;
    scratch.run(&format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'")).await;
}

pub(crate) async fn forget(scratch: &Scratch, roles: &[String]) {
    for role in roles {
        scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }
}

#[tokio::test]
async fn each_source_is_read_by_a_role_of_its_own_that_reads_no_other_and_writes_nothing() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let (options, cx) = (SourceOptions::default(), Context::silent());
    let found = readings(&one(&scratch), &options, &cx).await.expect("the layouts are looked at");
    let told: Vec<(&str, usize)> = found.iter().map(|r| (r.source, r.tables.len())).collect();
    assert_eq!(
        told.iter().map(|(source, _)| *source).collect::<Vec<_>>(),
        ["directus", "twenty", "unified", "touchpoints"]
    );
    let directus: Vec<String> = found[0].tables.iter().map(|t| format!("{}.{}", t.schema, t.name)).collect();
    // What is read, and not `directus.directus_users` with its e-mails, which is not.
    for (table, read) in [
        ("directus.events", true),
        ("directus.directus_relations", true),
        ("directus.directus_users", false),
        ("directus.directus_activity", false),
    ] {
        assert_eq!(directus.iter().any(|t| t == table), read, "{table} of {directus:?}");
    }

    let mut databases = one(&scratch);
    let mut roles = Vec::new();
    for reading in &found {
        let role = format!("{}_reader_{}", reading.source, scratch.name);
        let text = script(std::slice::from_ref(reading), Some(&role));
        run(&scratch, &text, &role).await;
        run(&scratch, &text, &role).await; // every run leaves the same
        databases = databases.with(reading.source, &scratch.url_as(&role, PASSWORD));
        roles.push(role);
    }
    let as_owner = read_facts(&one(&scratch), &options, &cx).await.expect("the owner reads");
    let as_readers = read_facts(&databases, &options, &cx).await;
    let mut refused = Vec::new();
    let mut connection =
        PgConnection::connect(&scratch.url_as(&roles[0], PASSWORD)).await.expect("the role may log in");
    // The role is read-only by default; here what it may do decides alone.
    let writing = sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut connection).await;
    writing.expect("whoever is logged in may turn that off");
    for sql in [
        "INSERT INTO directus.artists (id, status, name) VALUES (gen_random_uuid(), 'draft', 'x')",
        "UPDATE directus.events SET name = 'x'",
        "DELETE FROM directus.events_artists",
        "TRUNCATE directus.venues",
        "CREATE TABLE directus.mine ()",
        "CREATE TABLE public.mine ()",
        "SELECT nextval('directus.events_id_seq')",
        "SELECT id FROM directus.directus_users",
        "SELECT id FROM unified.entities",
    ] {
        let outcome = sqlx::raw_sql(sql).execute(&mut connection).await;
        let code =
            outcome.err().and_then(|error| error.as_database_error()?.code().map(|code| code.to_string()));
        refused.push((sql, code));
    }
    connection.close().await.expect("closes");
    let may = rights(&databases, &found).await;
    forget(&scratch, &roles).await;

    let mut as_readers = as_readers.expect("the granted tables are all that is read");
    as_readers.servers.clone_from(&as_owner.servers); // four databases for one
    assert_eq!(crate::told(as_readers), crate::told(as_owner));
    for (sql, code) in refused {
        assert_eq!(code.as_deref(), Some("42501"), "{sql}");
    }
    for rights in may.expect("every role may look at its own rights") {
        assert_eq!((rights.excess.len(), rights.bypasses), (0, false), "{rights:?}");
    }
}

#[tokio::test]
async fn row_security_gives_the_role_what_it_needs_to_see_all_rows() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    scratch.run("ALTER TABLE directus.artists ENABLE ROW LEVEL SECURITY; CREATE POLICY published_only ON directus.artists USING (status = 'published')").await;
    let (options, cx) = (SourceOptions::default(), Context::silent());
    let found = readings(&one(&scratch), &options, &cx).await.expect("the layouts are looked at");
    let role = format!("guarded_reader_{}", scratch.name);
    run(&scratch, &script(&found, Some(&role)), &role).await;
    let databases = Databases::one(&scratch.url_as(&role, PASSWORD));
    let read = read_facts(&databases, &options, &cx).await;
    let may = rights(&databases, &found).await;
    // A policy that lets some rows through is as bad as none: the rest would be missing.
    scratch.run(&format!("ALTER ROLE {role} NOBYPASSRLS")).await;
    let hidden = read_facts(&databases, &options, &cx).await.expect_err("rows are hidden").to_string();
    forget(&scratch, &[role]).await;
    assert_eq!(read.expect("all rows are seen").nodes.len(), 20);
    let may = may.expect("its rights");
    assert_eq!((may[0].bypasses, may[0].guarded, may[0].excess.len()), (true, 1, 0));
    assert!(hidden.starts_with("row-level security hides rows of `directus.artists`"), "{hidden}");
}

#[tokio::test]
async fn everything_a_role_may_do_beside_reading_is_named() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let role = format!("greedy_{}", scratch.name);
    let owner = format!("owner_{}", scratch.name);
    scratch
        .run(&format!(
            "CREATE ROLE {owner}; CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{PASSWORD}'; GRANT {owner} TO {role};
             GRANT pg_write_all_data TO {role}; ALTER TABLE unified.claim_events OWNER TO {owner};
             GRANT TRUNCATE ON directus.events TO {role}; GRANT CREATE ON SCHEMA sonik_web TO PUBLIC;
             GRANT USAGE ON SEQUENCE directus.events_id_seq TO {role}"
        ))
        .await;
    let may = rights(&Databases::one(&scratch.url_as(&role, PASSWORD)), &[]).await;
    scratch.run("ALTER TABLE unified.claim_events OWNER TO CURRENT_USER").await;
    forget(&scratch, &[role, owner]).await;
    let excess = may.expect("its rights").remove(0).excess;
    for what in [
        "make databases",
        "act as pg_write_all_data",
        "change what it owns: table unified.claim_events",
        "INSERT on table directus.events",
        "TRUNCATE on table directus.events",
        "CREATE on schema sonik_web",
        "USAGE on sequence directus.events_id_seq",
    ] {
        assert!(excess.iter().any(|told| told == what), "{what} in {excess:?}");
    }
}

#[tokio::test]
async fn a_write_between_the_two_looks_is_seen_and_the_table_named() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let (databases, cx) = (one(&scratch), Context::silent());
    let found = readings(&databases, &SourceOptions::default(), &cx).await.expect("looked at");
    let before = sums(&databases, &found, "before", &cx).await.expect("summed");
    assert_eq!(before.len(), 37);
    scratch.run("UPDATE directus.directus_users SET first_name = 'Somebody'").await;
    let after = sums(&databases, &found, "after", &cx).await.expect("summed");
    let [only] = &*changed(&before, &after) else { panic!("one table changed") };
    assert!(only.starts_with("directus.directus_users at "), "{only}");
}

pub(crate) fn sonograph(scratch: &Scratch, url: &str, arguments: &[&str]) -> Output {
    sonograph_as(scratch, url, "", arguments)
}

/// With this `sonograph.toml`.
pub(crate) fn sonograph_as(scratch: &Scratch, url: &str, config: &str, arguments: &[&str]) -> Output {
    let falkordb = crate::support::url("FALKORDB");
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("sonograph.toml"), config).expect("it is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(home.path()).env_clear().args(arguments);
    command.envs([
        ("SONOGRAPH_FALKORDB_URL", falkordb.as_str()),
        ("SONOGRAPH_POSTGRES_URL", url),
        ("SONOGRAPH_GRAPH", &scratch.name),
    ]);
    command.output().expect("the program runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn the_printed_grants_make_a_role_with_which_the_mirror_plans_and_the_proof_holds() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let role = format!("reader_{}", scratch.name);
    let printed = sonograph(&scratch, &scratch.url(), &["doctor", "grants", "--role", &role]);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    let grants = text(&printed.stdout);
    assert!(grants.contains(&format!("\\password \"{role}\"")), "{grants}");
    run(&scratch, &grants, &role).await;
    let url = scratch.url_as(&role, PASSWORD);
    let ran = [&["mirror", "plan", "--format", "json"][..], &["doctor", "--prove-read-only"]]
        .map(|arguments| sonograph(&scratch, &url, arguments));
    forget(&scratch, &[role]).await;
    let [plan, proof] = ran;
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan.stderr));
    assert_eq!(proof.status.code(), Some(0), "{}{}", text(&proof.stdout), text(&proof.stderr));
    let told = text(&proof.stdout);
    assert!(
        told.contains("may read and nothing else") && told.contains("are as they were before it"),
        "{told}"
    );
    assert!(!format!("{grants}{told}{}", text(&proof.stderr)).contains(PASSWORD));

    let owner = sonograph(&scratch, &scratch.url(), &["doctor", "--prove-read-only"]);
    assert_eq!(owner.status.code(), Some(1), "{}", text(&owner.stdout));
    assert!(text(&owner.stdout).contains("may also be superuser"), "{}", text(&owner.stdout));
    let unknown = sonograph(&scratch, &scratch.url(), &["doctor", "grants", "hubspot"]);
    assert_eq!(unknown.status.code(), Some(2));
    let cut = sonograph(&scratch, &scratch.url(), &["doctor", "grants", "--role", &"r".repeat(64)]);
    assert_eq!(cut.status.code(), Some(2));
    assert!(text(&cut.stderr).contains("at most 63 bytes"), "{}", text(&cut.stderr));
}

#[tokio::test]
async fn the_port_of_a_pooler_is_told_by_doctor_and_by_a_read_that_fails_on_it() {
    let Some(scratch) = Scratch::with_layouts().await else { return };
    let pooled = {
        let mut url = url::Url::parse(&scratch.url()).expect("a URL");
        url.set_port(Some(6543)).expect("a port");
        String::from(url)
    };
    let listener = loop {
        match std::net::TcpListener::bind("127.0.0.1:6543") {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    };
    let server =
        (scratch.server.host_str().expect("a host").to_owned(), scratch.server.port().unwrap_or(5432));
    std::thread::spawn(move || {
        for client in listener.incoming().take(6).flatten() {
            let upstream = std::net::TcpStream::connect(&server).expect("the server answers");
            for (mut from, mut to) in [
                (client.try_clone().expect("a handle"), upstream.try_clone().expect("a handle")),
                (upstream, client),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    let doctor = sonograph(&scratch, &pooled, &["doctor"]);
    let told = text(&doctor.stdout);
    assert!(told.contains("port 6543 is a transaction pooler's"), "{told}");
}
