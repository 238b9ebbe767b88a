-- One of everything that a move can lose without losing a row. A statement that wants a newer server than 12 is one line that says
-- so at its end, for scripts/test-migration, which loads this on older ones.
CREATE EXTENSION hstore SCHEMA public;
CREATE SCHEMA web;
CREATE TABLE web.page (
    id serial PRIMARY KEY, code text NOT NULL, note text, parent int,
    CONSTRAINT page_parent FOREIGN KEY (parent) REFERENCES web.page (id)
) WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 99);
CREATE UNIQUE INDEX page_code ON web.page (code) WITH (fillfactor = 60);
INSERT INTO web.page (code, note) VALUES ('a', 'first'), ('b', NULL);
ALTER TABLE web.page REPLICA IDENTITY USING INDEX page_code;
ALTER TABLE web.page CLUSTER ON page_code;
ALTER TABLE web.page ALTER note SET STORAGE EXTERNAL, ALTER note SET STATISTICS 500, ALTER note SET (n_distinct = 5);
ALTER TABLE web.page ALTER note SET COMPRESSION pglz; -- since 14
ALTER TABLE web.page ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON web.page USING (true);
CREATE STATISTICS web.together ON code, note FROM web.page;
ALTER STATISTICS web.together SET STATISTICS 50; -- since 13
CREATE RULE keep AS ON DELETE TO web.page WHERE old.id = 1 DO INSTEAD NOTHING;
CREATE VIEW web.codes WITH (security_barrier = true) AS SELECT code FROM web.page WITH LOCAL CHECK OPTION;
ALTER VIEW web.codes SET (security_invoker = true); -- since 15
CREATE TABLE web.parent (id int);
CREATE TABLE web.child () INHERITS (web.parent);
CREATE TABLE web.log (id int, at date) PARTITION BY RANGE (id);
CREATE TABLE web.log_1 PARTITION OF web.log FOR VALUES FROM (0) TO (9);
CREATE INDEX log_at ON web.log (at);
CREATE FUNCTION web.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted BEFORE INSERT ON web.page FOR EACH ROW EXECUTE FUNCTION web.noted();
CREATE TRIGGER logged AFTER INSERT ON web.log FOR EACH ROW EXECUTE FUNCTION web.noted();
ALTER TABLE web.log_1 ENABLE ALWAYS TRIGGER logged;

CREATE FUNCTION web.f(a int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER LEAKPROOF PARALLEL SAFE COST 7
    SET search_path = web AS 'SELECT a';
CREATE FUNCTION web.many() RETURNS SETOF int LANGUAGE sql ROWS 5 AS 'SELECT 1';
CREATE FUNCTION web.atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; -- since 14
CREATE AGGREGATE web.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION web.same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) = lower($2)';
CREATE OPERATOR web.=~= (LEFTARG = text, RIGHTARG = text, FUNCTION = web.same, COMMUTATOR = OPERATOR(web.=~=));
CREATE OPERATOR FAMILY web.backward USING btree;
CREATE OPERATOR CLASS web.down FOR TYPE int USING btree FAMILY web.backward AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
CREATE TYPE web.pair AS (a int, b int);
CREATE TYPE web.span AS RANGE (SUBTYPE = int);
CREATE DOMAIN web.blurb AS text COLLATE "C" DEFAULT '' CHECK (VALUE <> 'x');
CREATE FUNCTION web.paired(int) RETURNS web.pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1, $1)::web.pair';
CREATE CAST (int AS web.pair) WITH FUNCTION web.paired(int) AS ASSIGNMENT;
CREATE COLLATION web.blind (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE COLLATION web.british (PROVIDER = icu, LOCALE = 'en_GB');
CREATE CONVERSION web.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY web.plain (TEMPLATE = simple, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION web.words (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION web.words ALTER MAPPING FOR asciiword WITH web.plain, simple;

CREATE FOREIGN DATA WRAPPER remote;
CREATE SERVER far TYPE 'a' VERSION '1' FOREIGN DATA WRAPPER remote OPTIONS (host 'far.example');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 's3cret');
CREATE FOREIGN TABLE web.away (id int OPTIONS (column_name 'no')) SERVER far OPTIONS (table_name 'away');
CREATE FUNCTION web.watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION web.watched_too() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION web.watched();
CREATE PUBLICATION part FOR TABLE web.page WITH (publish = 'insert');
ALTER PUBLICATION part SET TABLE web.page (id, code) WHERE (id > 0); -- since 15
CREATE PUBLICATION rooted FOR TABLE web.log WITH (publish_via_partition_root = true); -- since 13
CREATE PUBLICATION whole FOR TABLES IN SCHEMA web; -- since 15
SELECT lo_from_bytea(54321, 'a picture');

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE USAGE ON TYPE web.pair FROM PUBLIC;
GRANT USAGE ON TYPE web.pair TO pg_monitor;
GRANT USAGE ON FOREIGN SERVER far TO pg_monitor;
GRANT SELECT ON LARGE OBJECT 54321 TO pg_monitor;
COMMENT ON SCHEMA web IS 'pages';
COMMENT ON COLUMN web.page.code IS 'what people type';
COMMENT ON POLICY everybody ON web.page IS 'yes';
COMMENT ON CONSTRAINT page_parent ON web.page IS 'a tree';
COMMENT ON FUNCTION web.f(int) IS 'itself';
COMMENT ON LARGE OBJECT 54321 IS 'of the house';
