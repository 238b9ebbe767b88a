-- What functions that are SQL and no text do: kind, schema, identity, definition. Read on 14 and newer; there are none before.
SELECT 'body', n.nspname::text, n.nspname::text || '.' || p.proname::text || '(' || pg_get_function_identity_arguments(p.oid) || ')',
       pg_get_function_sqlbody(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosqlbody IS NOT NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
