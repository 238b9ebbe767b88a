-- Every table that holds rows of its own: schema, name, blocks (nothing where its storage has none, or not all rows count),
-- readable, analysed, and which rows count where not all do.
-- An extension's tables are left out, but for the rows that it declared to be the installation's (PostGIS: reference systems of
-- one's own); where there are large objects, so is what they hold.
SELECT n.nspname::text, c.relname::text,
       CASE WHEN m.amname = 'heap' AND own.rows IS NULL
            THEN (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::text END,
       (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))::text,
       (s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL OR c.oid = 'pg_largeobject'::regclass
         OR EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname AND p.tablename = c.relname))::text,
       own.rows
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am m ON m.oid = c.relam
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
LEFT JOIN (SELECT t.oid, nullif(t.rows, '') AS rows FROM pg_extension x, unnest(x.extconfig, x.extcondition) t (oid, rows)) own ON own.oid = c.oid
WHERE (c.relkind = 'r' OR (c.relkind = 'm' AND c.relispopulated))
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (own.oid IS NOT NULL
    OR NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = 'pg_class'::regclass AND e.objid = c.oid))
   OR c.oid = 'pg_largeobject'::regclass AND EXISTS (SELECT FROM pg_largeobject_metadata)
ORDER BY 1, 2
