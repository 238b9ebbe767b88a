-- The relations that hold the rows of the tables $1[2], … of schema $1[1]: themselves, their partitions and children.
WITH RECURSIVE tree AS (
  SELECT c.oid, c.relkind, c.relname::text AS of
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ($1)[1] AND c.relname = ANY (($1)[2:])
  UNION ALL
  SELECT c.oid, c.relkind, tree.of
  FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
)
SELECT of, oid::text, relkind::text FROM tree ORDER BY oid
