-- Every table that holds rows of its own: schema, name, blocks (nothing where its storage has none), readable, analysed.
SELECT n.nspname::text, c.relname::text,
       CASE WHEN m.amname = 'heap'
            THEN (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::text END,
       (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))::text,
       (s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL
         OR EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname AND p.tablename = c.relname))::text
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am m ON m.oid = c.relam
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE (c.relkind = 'r' OR (c.relkind = 'm' AND c.relispopulated))
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = 'pg_class'::regclass AND e.objid = c.oid)
ORDER BY 1, 2
