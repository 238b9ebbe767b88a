-- The tables whose rows make up the table of oid {oid}: itself, its partitions and heirs, at any depth. A partitioned table
-- holds no rows of its own. Schema, name, kind, oid, whether rows lie in blocks, blocks, rows as last counted, readable apart.
WITH RECURSIVE members(oid) AS (
  SELECT {oid}::oid
  UNION
  SELECT i.inhrelid FROM members m JOIN pg_inherits i ON i.inhparent = m.oid WHERE NOT i.inhdetachpending
)
SELECT n.nspname::text, c.relname::text, c.relkind::text, c.oid::text,
       coalesce(am.amname = 'heap', false)::text,
       (CASE WHEN am.amname = 'heap'
             THEN ceil(pg_relation_size(c.oid)::numeric / current_setting('block_size')::numeric) ELSE 0 END)::bigint::text,
       c.reltuples::float8::text,
       (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid))::text
FROM members m
JOIN pg_class c ON c.oid = m.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam AND c.relkind IN ('r', 'm')
WHERE c.relkind IN ('r', 'm', 'v', 'f')
ORDER BY n.nspname, c.relname
