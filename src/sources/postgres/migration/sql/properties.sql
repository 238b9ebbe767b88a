-- What is set on a piece of the database and is not what everybody has: kind, schema, identity, definition.
-- Only what was set has a row, so that a piece that is missing is told once, where it is missed.
-- Columns that are not in every version are read through to_jsonb.
WITH ns AS (
  SELECT oid, nspname::text AS schema FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), extended AS (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e' OR (deptype = 'i' AND classid = 'pg_proc'::regclass)
), rel AS (
  SELECT c.*, n.schema, n.schema || '.' || c.relname::text AS identity
  FROM pg_class c JOIN ns n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
  WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid IN (c.oid, i.indrelid))
    AND NOT (c.relkind IN ('i', 'I') AND c.relispartition)
), function AS (
  SELECT p.*, n.schema, n.schema || '.' || p.proname::text || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS identity
  FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
)
SELECT 'option' AS kind, r.schema, r.identity || ': ' || split_part(v, '=', 1) AS identity,
       substr(v, length(split_part(v, '=', 1)) + 2) AS definition
FROM rel r, unnest(r.reloptions) v WHERE r.relkind NOT IN ('i', 'I')  -- those of an index stand in its definition
UNION ALL
SELECT 'option', r.schema, r.identity || ': toast.' || split_part(v, '=', 1), substr(v, length(split_part(v, '=', 1)) + 2)
FROM rel r JOIN pg_class t ON t.oid = r.reltoastrelid, unnest(t.reloptions) v
UNION ALL
SELECT 'option', r.schema, r.identity || ': access method', m.amname::text
FROM rel r JOIN pg_am m ON m.oid = r.relam WHERE m.amtype = 't' AND m.amname <> 'heap'
UNION ALL
SELECT 'option', r.schema, r.identity || ': of type', r.reloftype::regtype::text FROM rel r WHERE r.reloftype <> 0
UNION ALL
SELECT 'option', r.schema, r.identity || ': clustered on', x.relname::text
FROM pg_index i JOIN rel r ON r.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indisclustered
UNION ALL
SELECT 'tablespace', r.schema, r.identity, t.spcname::text FROM rel r JOIN pg_tablespace t ON t.oid = r.reltablespace
UNION ALL
SELECT 'tablespace', '', 'the database', t.spcname::text
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
WHERE d.datname = current_database() AND t.spcname <> 'pg_default'
UNION ALL
-- A statistics target that nobody set is -1, and since 17 nothing.
SELECT 'column setting', r.schema, r.identity || '.' || a.attname::text || ': ' || s.name, s.value
FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid,
     LATERAL (
       SELECT 'storage', a.attstorage::text WHERE a.attstorage <> t.typstorage AND r.relkind IN ('r', 'p', 'm', 'f')
       UNION ALL SELECT 'compression', c.method FROM (SELECT to_jsonb(a) ->> 'attcompression') c (method) WHERE c.method <> ''
       UNION ALL SELECT 'statistics target', a.attstattarget::text WHERE coalesce(a.attstattarget, -1) <> -1
       UNION ALL SELECT split_part(v, '=', 1), substr(v, length(split_part(v, '=', 1)) + 2) FROM unnest(a.attoptions) v
     ) s (name, value)
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'column setting', n.schema, n.schema || '.' || x.stxname::text || ': statistics target', t.target
FROM pg_statistic_ext x JOIN ns n ON n.oid = x.stxnamespace, LATERAL (SELECT to_jsonb(x) ->> 'stxstattarget') t (target)
WHERE t.target <> '-1'
UNION ALL
SELECT 'inheritance', c.schema, c.identity || ' under ' || p.identity,
       row_number() OVER (PARTITION BY i.inhrelid ORDER BY i.inhseqno)::text || CASE WHEN to_jsonb(i) ->> 'inhdetachpending' = 'true' THEN ' being detached' ELSE '' END
FROM pg_inherits i JOIN rel c ON c.oid = i.inhrelid JOIN rel p ON p.oid = i.inhparent
WHERE c.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'owned sequence', s.schema, s.identity, t.identity || '.' || a.attname::text
FROM pg_depend d JOIN rel s ON s.oid = d.objid AND s.relkind = 'S' JOIN rel t ON t.oid = d.refobjid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
UNION ALL
SELECT 'replica identity', r.schema, r.identity,
       CASE r.relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' ELSE coalesce(
         (SELECT x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = r.oid AND i.indisreplident),
         'an index that is gone') END
FROM rel r WHERE r.relkind IN ('r', 'p', 'm') AND r.relreplident <> 'd'
UNION ALL
SELECT 'function property', f.schema, f.identity || ': ' || p.name, p.value
FROM function f JOIN pg_language l ON l.oid = f.prolang, LATERAL (
  SELECT 'volatility', CASE f.provolatile WHEN 'i' THEN 'immutable' ELSE 'stable' END WHERE f.provolatile <> 'v'
  UNION ALL SELECT 'strict', '' WHERE f.proisstrict
  UNION ALL SELECT 'security definer', '' WHERE f.prosecdef
  UNION ALL SELECT 'leakproof', '' WHERE f.proleakproof
  UNION ALL SELECT 'parallel', CASE f.proparallel WHEN 's' THEN 'safe' ELSE 'restricted' END WHERE f.proparallel <> 'u'
  UNION ALL SELECT 'cost', f.procost::text WHERE f.procost <> CASE WHEN l.lanname IN ('internal', 'c') THEN 1 ELSE 100 END
  UNION ALL SELECT 'rows', f.prorows::text WHERE f.prorows <> CASE WHEN f.proretset THEN 1000 ELSE 0 END
  UNION ALL SELECT 'support', f.prosupport::text WHERE f.prosupport <> 0
  -- A setting may be a secret: its value is compared and never told.
  UNION ALL SELECT 'set ' || split_part(v, '=', 1), md5(v) FROM unnest(f.proconfig) v
) p (name, value)
UNION ALL
SELECT 'body', r.schema, r.identity || '.' || w.rulename::text, pg_get_ruledef(w.oid)
FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'trigger', r.schema, r.identity || '.' || t.tgname::text || ' of a partition', t.tgenabled::text
FROM pg_depend d JOIN pg_trigger t ON t.oid = d.objid JOIN rel r ON r.oid = t.tgrelid JOIN pg_trigger p ON p.oid = d.refobjid
WHERE d.classid = 'pg_trigger'::regclass AND d.refclassid = d.classid AND t.tgenabled <> p.tgenabled
  -- Before 15 those of a partition are internal, as a foreign key's always are.
  AND (NOT t.tgisinternal OR t.tgconstraint = 0)
UNION ALL
SELECT 'extension schema', '', x.extname::text, n.nspname::text FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
UNION ALL
-- An extension brings its own comments, another version others; initdb says what `public` is.
SELECT 'comment', coalesce(o.schema, CASE o.type WHEN 'schema' THEN o.name WHEN 'trigger' THEN a.object_names[1]
                                                 WHEN 'rule' THEN a.object_names[1] WHEN 'policy' THEN a.object_names[1] END, ''),
       o.type || ' ' || o.identity, md5(d.description)
FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o,
     pg_identify_object_as_address(d.classoid, d.objoid, d.objsubid) a
WHERE (d.objoid >= 16384 OR (d.classoid = 'pg_namespace'::regclass AND d.objoid IN (SELECT oid FROM ns)))
  AND d.classoid <> 'pg_extension'::regclass AND d.description <> 'standard public schema' AND coalesce(o.schema, '') !~ '^pg_'
  AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = d.classoid AND e.objid = d.objoid)
UNION ALL
SELECT 'comment', '', 'the database', md5(d.description) FROM pg_shdescription d
WHERE d.classoid = 'pg_database'::regclass AND d.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND d.description <> 'default administrative connection database'
UNION ALL
SELECT 'security label', coalesce(o.schema, ''), o.type || ' ' || o.identity || ' for ' || s.provider, md5(s.label)
FROM pg_seclabel s, pg_identify_object(s.classoid, s.objoid, s.objsubid) o
WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = s.classoid AND e.objid = s.objoid)
