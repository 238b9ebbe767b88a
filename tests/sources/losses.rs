//! What a move loses without losing a row: one thing after another is taken from a copy, and `doctor migration` names it.

use sonograph::context::Context;
use sonograph::sources::postgres::migration::{Scope, Status, compare};

use crate::moved::{Loss, Side, check, named, survey};
use crate::scratch::Scratch;

/// One of everything.
const DRESS: &str = include_str!("dress.sql");

/// What belongs to the database and not into it: a copy has none of it.
const OF_THE_DATABASE: &str = "
    DO $$ DECLARE this text := current_database(); BEGIN
      EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', this);
      EXECUTE format('ALTER DATABASE %I SET app.jwt = ''s3cret''', this);
      EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 50', this);
      EXECUTE format('ALTER ROLE postgres IN DATABASE %I SET work_mem = ''6MB''', this);
      EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', this);
      EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO pg_monitor', this);
      EXECUTE format('COMMENT ON DATABASE %I IS ''ours''', this);
    END $$;";

/// The same statement about the database it runs in.
fn database(statement: &str) -> String {
    format!("DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$")
}

/// What an extension keeps of the installation's own (`PostGIS`: reference systems): most of its rows are the extension's.
const CONFIGURED: &str = "
    CREATE EXTENSION citext SCHEMA public;
    CREATE TABLE web.systems (srid int PRIMARY KEY, note text);
    INSERT INTO web.systems VALUES (1, 'theirs'), (9000, 'ours');
    CREATE SEQUENCE web.systems_seq;
    SELECT setval('web.systems_seq', 7);
    ALTER EXTENSION citext ADD TABLE web.systems;
    ALTER EXTENSION citext ADD SEQUENCE web.systems_seq;
    UPDATE pg_extension SET extconfig = ARRAY['web.systems'::regclass, 'web.systems_seq'::regclass]::oid[],
      extcondition = ARRAY['WHERE srid > 8999', ''] WHERE extname = 'citext'";

/// One of everything, and what an extension keeps.
async fn dressed() -> Scratch {
    let old = Scratch::new().await;
    old.run(DRESS).await;
    old.run(CONFIGURED).await;
    old
}

/// Every statement alone makes this check, and no other, fail or warn, naming what is meant and no secret.
async fn taken(losses: &[Loss<'_>]) {
    named(&dressed().await, OF_THE_DATABASE, losses, |(sql, name, ..), verdict| {
        let others = verdict.checks.iter().filter(|c| c.status == Status::Fail && c.check != *name);
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&_>::new(), "{sql}");
        let page = format!("{verdict:?}{}", verdict.markdown());
        assert!(!page.contains("s3cret") && !page.contains("0ther"), "{sql}: {page}");
    })
    .await;
}

#[tokio::test]
async fn what_was_set_on_a_table_a_view_a_column_or_a_sequence_is_missed() {
    use Status::{Fail, Warn};
    let (options, settings) = ("options of tables and views", "settings of columns");
    taken(&[
        ("ALTER VIEW web.codes RESET (security_invoker)", options, Fail, "missing: web.codes: security_invoker"),
        ("ALTER VIEW web.codes SET (security_barrier = false)", options, Fail, "web.codes: security_barrier: true → false"),
        ("ALTER VIEW web.codes RESET (check_option)", options, Fail, "missing: web.codes: check_option"),
        ("ALTER TABLE web.page RESET (fillfactor)", options, Fail, "missing: web.page: fillfactor"),
        ("ALTER TABLE web.page SET (autovacuum_enabled = true)", options, Fail, "web.page: autovacuum_enabled: false → true"),
        ("ALTER TABLE web.page RESET (toast.autovacuum_vacuum_threshold)", options, Fail, "web.page: toast.autovacuum_vacuum_threshold"),
        ("ALTER INDEX web.page_code SET (fillfactor = 90)", "indexes", Fail, "fillfactor='60') → "),
        ("ALTER TABLE web.page SET WITHOUT CLUSTER", options, Fail, "missing: web.page: clustered on"),
        ("ALTER TABLE web.child NO INHERIT web.parent", "inheritance and partitions", Fail, "missing: web.child under web.parent"),
        ("ALTER TABLE web.page REPLICA IDENTITY DEFAULT", "replica identities", Fail, "missing: web.page"),
        ("ALTER TABLE web.page REPLICA IDENTITY NOTHING", "replica identities", Fail, "web.page: page_code → nothing"),
        ("ALTER TABLE web.page NO FORCE ROW LEVEL SECURITY", "row security", Fail, "web.page: on forced → on"),
        ("ALTER TABLE web.page ALTER note SET STORAGE EXTENDED", settings, Fail, "missing: web.page.note: storage"),
        ("ALTER TABLE web.page ALTER note SET COMPRESSION default", settings, Fail, "missing: web.page.note: compression"),
        ("ALTER TABLE web.page ALTER note SET STATISTICS -1", settings, Fail, "missing: web.page.note: statistics target"),
        ("ALTER TABLE web.page ALTER note SET (n_distinct = 6)", settings, Fail, "web.page.note: n_distinct: 5 → 6"),
        ("ALTER STATISTICS web.together SET STATISTICS -1", settings, Fail, "missing: web.together: statistics target"),
        ("ALTER SEQUENCE web.page_id_seq OWNED BY NONE", "sequences owned by columns", Fail, "missing: web.page_id_seq"),
        ("ALTER TABLE web.page DISABLE RULE keep", "rules", Fail, "web.page.keep"),
        ("CREATE OR REPLACE RULE keep AS ON DELETE TO web.page WHERE old.id = 2 DO INSTEAD NOTHING", "bodies of rules and SQL functions", Warn, "web.page.keep"),
        ("ALTER TABLE web.page DISABLE TRIGGER noted", "triggers", Fail, "web.page.noted"),
        ("ALTER TABLE web.log_1 ENABLE TRIGGER logged", "triggers", Fail, "web.log_1.logged of a partition"),
        ("ALTER TABLE web.page DISABLE TRIGGER ALL; ALTER TABLE web.page ENABLE TRIGGER USER", "disabled foreign keys", Fail, "web.page.page_parent"),
        ("ALTER EVENT TRIGGER watch DISABLE", "event triggers", Fail, "watch"),
        ("DROP EVENT TRIGGER watch; CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION web.watched_too()", "event triggers", Fail, "web.watched DROP TABLE → "),
        ("COMMENT ON COLUMN web.page.code IS NULL", "comments", Fail, "missing: table column web.page.code"),
        ("COMMENT ON SCHEMA web IS 'other'", "comments", Fail, "differs: schema web"),
        ("COMMENT ON POLICY everybody ON web.page IS NULL", "comments", Fail, "missing: policy everybody on web.page"),
        ("INSERT INTO pg_seclabel VALUES ('web.page'::regclass, 'pg_class'::regclass, 0, 'a', 's3cret')", "security labels", Fail, "table web.page for a"),
    ])
    .await;
}

#[tokio::test]
async fn what_was_set_on_a_function_and_what_is_rarely_made_is_missed() {
    use Status::{Fail, Warn};
    let (properties, search) = ("properties of functions", "text search");
    taken(&[
        ("ALTER FUNCTION web.f(int) VOLATILE", properties, Fail, "missing: web.f(a integer): volatility"),
        ("ALTER FUNCTION web.f(int) CALLED ON NULL INPUT", properties, Fail, "missing: web.f(a integer): strict"),
        ("ALTER FUNCTION web.f(int) SECURITY INVOKER", properties, Fail, "missing: web.f(a integer): security definer"),
        ("ALTER FUNCTION web.same(text, text) SECURITY DEFINER", properties, Fail, "not in the source: web.same(text, text): security definer"),
        ("ALTER FUNCTION web.f(int) NOT LEAKPROOF", properties, Fail, "missing: web.f(a integer): leakproof"),
        ("ALTER FUNCTION web.f(int) PARALLEL UNSAFE", properties, Fail, "missing: web.f(a integer): parallel"),
        ("ALTER FUNCTION web.f(int) COST 100", properties, Fail, "missing: web.f(a integer): cost"),
        ("ALTER FUNCTION web.many() ROWS 6", properties, Fail, "differs: web.many(): rows"),
        ("ALTER FUNCTION web.f(int) RESET search_path", properties, Fail, "missing: web.f(a integer): set search_path"),
        ("CREATE OR REPLACE FUNCTION web.atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 2; END", "bodies of rules and SQL functions", Warn, "web.atomic()"),
        ("CREATE OR REPLACE AGGREGATE web.total (int) (SFUNC = int4mul, STYPE = int, INITCOND = '0')", "functions", Fail, "web.total(integer)"),
        ("CREATE OR REPLACE FUNCTION web.f(a int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER LEAKPROOF PARALLEL SAFE COST 7 SET search_path = web AS 'SELECT a'", "functions", Fail, "web.f(a integer)"),
        ("DROP OPERATOR web.=~= (text, text)", "operators", Fail, "missing: web.=~= (text, text)"),
        ("DROP OPERATOR CLASS web.down USING btree", "operator classes and families", Fail, "missing: class web.down using btree"),
        ("ALTER OPERATOR FAMILY web.backward USING btree ADD FUNCTION 4 (int) btequalimage(oid)", "operator classes and families", Fail, "family web.backward using btree"),
        ("DROP CAST (int AS web.pair)", "casts", Fail, "missing: integer as web.pair"),
        ("CREATE TYPE web.shell", "types", Fail, "not in the source: web.shell"),
        ("DROP COLLATION web.blind; CREATE COLLATION web.blind (PROVIDER = icu, LOCALE = 'und-u-ks-level2')", "collations", Fail, "web.blind: provider i nondeterministic → provider i"),
        ("DROP COLLATION web.british; CREATE COLLATION web.british (PROVIDER = icu, LOCALE = 'en-US')", "locales of collations", Warn, "web.british: en-gb → en-us"),
        ("DROP CONVERSION web.latin", "conversions", Fail, "missing: web.latin"),
        ("DROP TYPE web.span; CREATE TYPE web.span AS RANGE (SUBTYPE = int, MULTIRANGE_TYPE_NAME = web.spans)", "multiranges", Fail, "web.span: web.span_multirange → web.spans"),
        ("DROP TEXT SEARCH CONFIGURATION web.words", search, Fail, "missing: configuration web.words"),
        ("ALTER TEXT SEARCH CONFIGURATION web.words ALTER MAPPING FOR asciiword WITH simple", search, Fail, "differs: configuration web.words"),
        ("ALTER TEXT SEARCH DICTIONARY web.plain (ACCEPT = true)", search, Fail, "differs: dictionary web.plain"),
        ("CREATE TRUSTED LANGUAGE other HANDLER plpgsql_call_handler", "languages, access methods and transforms", Fail, "not in the source: language other"),
        ("DROP EXTENSION hstore; CREATE EXTENSION hstore SCHEMA web", "schemas of extensions", Fail, "hstore: public → web"),
    ])
    .await;
}

#[tokio::test]
async fn servers_far_away_publications_rights_and_the_database_s_own_settings_are_missed() {
    use Status::{Fail, Warn};
    let (foreign, contents, settings) =
        ("options of foreign servers", "contents of publications", "settings of database and roles");
    let [unset, other, lost, unlimited, of_role, open, comment] = [
        "ALTER DATABASE %I RESET work_mem",
        "ALTER DATABASE %I SET work_mem = ''7MB''",
        "ALTER DATABASE %I SET app.jwt = ''0ther''",
        "ALTER DATABASE %I CONNECTION LIMIT -1",
        "ALTER ROLE postgres IN DATABASE %I RESET work_mem",
        "REVOKE TEMPORARY ON DATABASE %I FROM pg_monitor",
        "COMMENT ON DATABASE %I IS NULL",
    ]
    .map(database);
    taken(&[
        (
            "DROP USER MAPPING FOR PUBLIC SERVER far; CREATE USER MAPPING FOR PUBLIC SERVER far",
            foreign,
            Fail,
            "missing: mapping of public on far: password",
        ),
        (
            "ALTER USER MAPPING FOR PUBLIC SERVER far OPTIONS (SET password '0ther')",
            foreign,
            Warn,
            "differs: mapping of public on far: password",
        ),
        ("ALTER SERVER far OPTIONS (DROP host)", foreign, Fail, "missing: server far: host"),
        (
            "ALTER FOREIGN TABLE web.away OPTIONS (DROP table_name)",
            foreign,
            Fail,
            "missing: table web.away: table_name",
        ),
        (
            "ALTER FOREIGN TABLE web.away ALTER id OPTIONS (DROP column_name)",
            foreign,
            Fail,
            "missing: column web.away.id: column_name",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER further",
            "foreign servers and wrappers",
            Fail,
            "not in the source: wrapper further",
        ),
        (
            "ALTER SERVER far VERSION '2'",
            "foreign servers and wrappers",
            Fail,
            "server far: remote a 1 → remote a 2",
        ),
        (
            "CREATE USER MAPPING FOR pg_monitor SERVER far",
            "user mappings",
            Fail,
            "not in the source: pg_monitor on far",
        ),
        (
            "ALTER PUBLICATION part SET TABLE web.page (id, code)",
            contents,
            Fail,
            "part: table web.page: columns id, code where",
        ),
        ("ALTER PUBLICATION part SET TABLE web.parent", contents, Fail, "missing: part: table web.page"),
        (
            "ALTER PUBLICATION part SET (publish = 'insert, delete')",
            contents,
            Fail,
            "part: publishes: insert → insert delete",
        ),
        ("ALTER PUBLICATION whole DROP TABLES IN SCHEMA web", contents, Fail, "missing: whole: schema web"),
        (
            "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
            "default grants",
            Fail,
            "missing: no EXECUTE on new f of postgres to PUBLIC",
        ),
        (
            "REVOKE USAGE ON TYPE web.pair FROM pg_monitor",
            "grants",
            Fail,
            "USAGE on type web.pair to pg_monitor",
        ),
        (
            "REVOKE USAGE ON FOREIGN SERVER far FROM pg_monitor",
            "grants",
            Fail,
            "USAGE on foreign server far to pg_monitor",
        ),
        (
            "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
            "grants",
            Fail,
            "USAGE on language plpgsql to PUBLIC",
        ),
        (
            "REVOKE SELECT ON LARGE OBJECT 54321 FROM pg_monitor",
            "grants",
            Fail,
            "SELECT on large object 54321 to pg_monitor",
        ),
        (&open, "grants", Fail, "TEMPORARY on database itself to pg_monitor"),
        (&unset, settings, Fail, "missing: work_mem of the database"),
        (&other, settings, Fail, "differs: work_mem of the database"),
        (&unlimited, settings, Fail, "missing: connection limit of the database"),
        (&of_role, settings, Fail, "missing: work_mem of role postgres in the database"),
        (&lost, "settings of applications and idle roles", Warn, "differs: app.jwt of the database"),
        (&comment, "comments", Fail, "missing: the database"),
    ])
    .await;
}

#[tokio::test]
async fn rows_that_stand_in_no_table_of_a_schema_s_own_are_missed() {
    use Status::{Fail, Warn};
    let (counts, sums) = ("row counts", "row checksums");
    taken(&[
        ("UPDATE web.systems SET note = 'mine' WHERE srid = 9000", sums, Fail, "web.systems"),
        ("DELETE FROM web.systems WHERE srid = 9000", counts, Fail, "web.systems: 1 → 0"),
        ("INSERT INTO web.systems VALUES (9001, 'new')", counts, Fail, "web.systems: 1 → 2"),
        ("ALTER SEQUENCE web.systems_seq RESTART", "sequences against max(column)", Warn, "web.systems_seq"),
        ("SELECT lo_put(54321, 2, 'P')", sums, Fail, "pg_catalog.pg_largeobject"),
        ("COMMENT ON LARGE OBJECT 54321 IS NULL", "comments", Fail, "missing: large object 54321"),
    ])
    .await;
    // What the extension itself brought is another version's to change.
    let old = dressed().await;
    let new = old.copy().await;
    new.run(
        "UPDATE web.systems SET note = 'theirs, again' WHERE srid = 1; INSERT INTO web.systems VALUES (2)",
    )
    .await;
    let verdict = Side::of(&old).await.moved_to(&Side::of(&new).await);
    assert!(verdict.passed(), "{verdict:#?}");
}

#[tokio::test]
async fn another_owner_is_told() {
    let (owners, other) = ("owners", "→ pg_database_owner");
    taken(&[
        (
            "ALTER TABLE web.page OWNER TO pg_database_owner",
            owners,
            Status::Warn,
            "table web.page: postgres → pg_database_owner",
        ),
        (
            "ALTER LARGE OBJECT 54321 OWNER TO pg_database_owner",
            owners,
            Status::Warn,
            "large objects: 1 of postgres (",
        ),
        (
            "ALTER PUBLICATION part OWNER TO pg_database_owner",
            owners,
            Status::Warn,
            "publication part: postgres ",
        ),
        ("ALTER TEXT SEARCH CONFIGURATION web.words OWNER TO pg_database_owner", owners, Status::Warn, other),
        ("ALTER OPERATOR CLASS web.down USING btree OWNER TO pg_database_owner", owners, Status::Warn, other),
        ("ALTER COLLATION web.blind OWNER TO pg_database_owner", owners, Status::Warn, other),
    ])
    .await;
}

#[tokio::test]
async fn what_only_a_superuser_sees_is_told_as_not_compared() {
    let old = Scratch::new().await;
    old.run(
        "CREATE TABLE public.t (); CREATE FOREIGN DATA WRAPPER remote; CREATE SERVER far FOREIGN DATA WRAPPER remote;
         CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 's3cret'); SELECT lo_from_bytea(0, 'x')",
    )
    .await;
    let new = old.copy().await;
    let role = format!("reader_of_{}", old.name);
    old.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'")).await;
    let mut surveys = Vec::new();
    for side in [&old, &new] {
        side.run(&format!("GRANT SELECT ON public.t TO {role}")).await;
        surveys.push(survey(&side.url_as(&role, "x"), &Scope::default(), &Context::silent()).await);
        side.run(&format!("DROP OWNED BY {role}")).await;
    }
    old.run(&format!("DROP ROLE {role}")).await;
    let [from, to] = [0, 1].map(|side| surveys[side].as_ref().expect("it may read").clone());
    let verdict = compare(&from, &to, Vec::new());
    for (name, found) in [
        ("options of user mappings", "2 hidden from this role: public on far at "),
        ("contents of large objects", "2 hidden from this role: all of them at "),
    ] {
        let check = check(&verdict, name);
        assert_eq!(check.status, Status::Warn);
        assert!(check.found.starts_with(found), "{check:?}");
    }
    assert!(verdict.passed(), "{verdict:#?}");
}
