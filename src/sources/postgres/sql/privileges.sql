-- What this role may do beside reading, one line each. A superuser may do everything, so nothing else is said of it.
WITH me AS (
  SELECT oid, rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = current_user
), ns AS (
  SELECT oid, nspname::text AS schema FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), rel AS (
  SELECT c.oid, n.schema || '.' || c.relname::text AS name, c.relkind
  FROM pg_class c JOIN ns n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), found AS (
  SELECT 1 AS rank, 'make roles' AS what FROM me WHERE rolcreaterole
  UNION ALL SELECT 1, 'make databases' FROM me WHERE rolcreatedb
  UNION ALL SELECT 1, 'replicate' FROM me WHERE rolreplication
  UNION ALL
  SELECT 1, 'act as ' || r.rolname::text FROM pg_roles r, me
  WHERE r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_read_server_files', 'pg_execute_server_program',
                      'pg_maintain', 'pg_create_subscription', 'pg_signal_backend', 'pg_checkpoint')
    AND pg_has_role(me.oid, r.oid, 'MEMBER')
  UNION ALL
  SELECT 2, 'change what it owns: ' || pg_describe_object(d.classid, d.objid, 0)
  FROM pg_shdepend d, me
  WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND pg_has_role(me.oid, d.refobjid, 'MEMBER')
    AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  UNION ALL
  SELECT 3, 'CREATE on database ' || current_database() WHERE has_database_privilege(current_database(), 'CREATE')
  UNION ALL
  SELECT 3, 'CREATE on schema ' || schema FROM ns WHERE has_schema_privilege(oid, 'CREATE')
  UNION ALL
  SELECT 4, p || ' on table ' || name FROM rel, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
  WHERE relkind <> 'S' AND has_table_privilege(oid, p)
  UNION ALL
  SELECT 4, p || ' on columns of table ' || name FROM rel, unnest(ARRAY['INSERT', 'UPDATE', 'REFERENCES']) p
  WHERE relkind <> 'S' AND NOT has_table_privilege(oid, p) AND has_any_column_privilege(oid, p)
  UNION ALL
  SELECT 5, p || ' on sequence ' || name FROM rel, unnest(ARRAY['USAGE', 'UPDATE']) p
  WHERE relkind = 'S' AND has_sequence_privilege(oid, p)
)
SELECT 'be superuser' FROM me WHERE rolsuper
UNION ALL
SELECT what FROM (SELECT what FROM found, me WHERE NOT rolsuper ORDER BY rank, what) AS told
