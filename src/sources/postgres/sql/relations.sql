-- The relations that hold the rows of tables: themselves, their partitions and children. $1 holds schema and name of each.
WITH RECURSIVE tree AS (
  SELECT c.oid, c.relkind, n.nspname::text || '.' || c.relname::text AS of
  FROM generate_series(1, cardinality($1), 2) i
  JOIN pg_catalog.pg_namespace n ON n.nspname = ($1)[i]
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = ($1)[i + 1]
  UNION ALL
  SELECT c.oid, c.relkind, tree.of
  FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
)
SELECT of, oid::text, relkind::text FROM tree ORDER BY oid
