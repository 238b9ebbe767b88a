-- What is there and does not serve: kind, schema, identity. A foreign key is watched by triggers, which can be disabled. Whether a constraint is enforced is known since 18 only.
WITH ns AS (
  SELECT oid, nspname::text AS schema FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT 'invalid index', n.schema, n.schema || '.' || c.relname::text
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN ns n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid OR NOT i.indisready
UNION ALL
SELECT CASE WHEN coalesce((to_jsonb(p) ->> 'conenforced')::boolean, true) THEN 'unvalidated constraint'
            ELSE 'unenforced constraint' END,
       n.schema, n.schema || '.' || coalesce(c.relname::text, '') || '.' || p.conname::text
FROM pg_constraint p JOIN ns n ON n.oid = p.connamespace LEFT JOIN pg_class c ON c.oid = p.conrelid
WHERE NOT p.convalidated
UNION ALL
SELECT DISTINCT 'disabled foreign key', n.schema, n.schema || '.' || c.relname::text || '.' || p.conname::text
FROM pg_trigger t JOIN pg_constraint p ON p.oid = t.tgconstraint JOIN pg_class c ON c.oid = p.conrelid JOIN ns n ON n.oid = c.relnamespace
WHERE t.tgisinternal AND t.tgenabled NOT IN ('O', 'A') AND p.contype = 'f'
ORDER BY 1, 2, 3
