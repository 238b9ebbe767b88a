-- What a database is made of: kind, schema, identity, definition. Reads on 12 and newer, equal but for what is left out here:
-- NOT NULL as constraints (18 alone keeps them), and what belongs to an extension (its version answers for it).
-- Names are cast to text: a UNION led by a `name` column cuts every identity to 63 bytes.
WITH ns AS (
  SELECT oid, nspname::text AS schema FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), extended AS (
  -- What comes with an extension, and the functions that come with a range type: since 14 those of its multirange, too.
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e' OR (deptype = 'i' AND classid = 'pg_proc'::regclass)
), rel AS (
  SELECT c.oid, n.schema, c.relname::text AS name, n.schema || '.' || c.relname::text AS identity, c.relkind::text AS relkind,
         c.relpersistence::text AS relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.relispopulated,
         coalesce(' ' || pg_get_expr(c.relpartbound, c.oid), '') AS bound
  FROM pg_class c JOIN ns n ON n.oid = c.relnamespace
  WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
)
SELECT 'schema' AS kind, schema, schema AS identity, ''::text AS definition FROM ns
UNION ALL
SELECT 'table', schema, identity,
       relkind || relpersistence || bound || CASE WHEN relispopulated THEN '' ELSE ' not populated' END || coalesce(' of ' || s.srvname::text, '')
FROM rel LEFT JOIN pg_foreign_table f ON f.ftrelid = rel.oid LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'row security', schema, identity,
       CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END || CASE WHEN relforcerowsecurity THEN ' forced' ELSE '' END
FROM rel WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'column', r.schema, r.identity || '.' || a.attname::text,
       format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
         || CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text ELSE '' END
         || CASE WHEN a.attgenerated <> '' THEN ' generated ' || a.attgenerated::text ELSE '' END
         || CASE WHEN co.oid IS NOT NULL AND co.collname <> 'default' THEN ' collate ' || co.collname::text ELSE '' END
         || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a
JOIN rel r ON r.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation
WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT CASE p.contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'u' THEN 'unique constraint'
                      WHEN 'c' THEN 'check constraint' WHEN 'x' THEN 'exclusion constraint' ELSE 'constraint trigger' END,
       n.schema, n.schema || '.' || coalesce(c.relname::text, t.typname::text, '') || '.' || p.conname::text,
       pg_get_constraintdef(p.oid) || CASE WHEN p.convalidated THEN '' ELSE ' (not validated)' END
FROM pg_constraint p
JOIN ns n ON n.oid = p.connamespace
LEFT JOIN pg_class c ON c.oid = p.conrelid
LEFT JOIN pg_type t ON t.oid = p.contypid
WHERE p.contype <> 'n' AND p.conparentid = 0
  AND NOT EXISTS (SELECT FROM extended e WHERE e.objid IN (p.conrelid, p.contypid) AND e.objid <> 0
                    AND e.classid IN ('pg_class'::regclass, 'pg_type'::regclass))
UNION ALL
SELECT 'index', r.schema, r.identity, pg_get_indexdef(r.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
FROM pg_index i JOIN rel r ON r.oid = i.indexrelid
WHERE NOT r.relispartition
  AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid = i.indrelid)
UNION ALL
SELECT 'enum', n.schema, n.schema || '.' || t.typname::text,
       string_agg(v.enumlabel::text, ', ' ORDER BY v.enumsortorder)
FROM pg_enum v JOIN pg_type t ON t.oid = v.enumtypid JOIN ns n ON n.oid = t.typnamespace
WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
GROUP BY n.schema, t.typname
UNION ALL
SELECT 'domain', n.schema, n.schema || '.' || t.typname::text,
       format_type(t.typbasetype, t.typtypmod) || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
         || CASE WHEN co.collname = 'default' THEN '' ELSE coalesce(' collate ' || co.collname::text, '') END
         || coalesce(' DEFAULT ' || t.typdefault, '')
FROM pg_type t JOIN ns n ON n.oid = t.typnamespace LEFT JOIN pg_collation co ON co.oid = t.typcollation
WHERE t.typtype = 'd'
  AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
UNION ALL
SELECT 'sequence', r.schema, r.identity,
       format_type(q.seqtypid, NULL) || ' start ' || q.seqstart || ' step ' || q.seqincrement || ' from ' || q.seqmin || ' to ' || q.seqmax
         || CASE WHEN q.seqcycle THEN ' cycle' ELSE '' END
FROM pg_sequence q JOIN rel r ON r.oid = q.seqrelid
UNION ALL
SELECT 'view', schema, identity, pg_get_viewdef(oid) FROM rel WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'policy', schemaname::text, schemaname::text || '.' || tablename::text || '.' || policyname::text,
       permissive || ' ' || cmd || ' to ' || array_to_string(roles, ', ')
         || coalesce(' using ' || qual, '') || coalesce(' check ' || with_check, '')
FROM pg_policies
UNION ALL
SELECT 'trigger', r.schema, r.identity || '.' || t.tgname::text, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid
WHERE NOT t.tgisinternal
  -- A partition has its parent's triggers: before 13 only their dependency tells so.
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = d.classid)
UNION ALL
SELECT 'event trigger', '', evtname::text, evtevent::text || ' ' || evtenabled::text || ' ' || evtfoid::regproc::text || coalesce(' ' || array_to_string(evttags, ', '), '')
FROM pg_event_trigger t
WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = t.oid)
UNION ALL
SELECT 'function', n.schema,
       n.schema || '.' || p.proname::text || '(' || pg_get_function_identity_arguments(p.oid) || ')',
       concat_ws(' ', p.prokind, l.lanname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.probin, md5(p.prosrc),
                 a.aggkind, a.aggtransfn, nullif(a.aggtranstype, 0)::regtype, a.agginitval, a.aggfinalfn, a.aggcombinefn,
                 a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, a.aggminitval,
                 nullif(a.aggsortop, 0)::regoperator)
FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT 'rule', r.schema, r.identity || '.' || w.rulename::text, w.ev_type::text || w.ev_enabled::text || CASE WHEN w.is_instead THEN ' instead' ELSE '' END
FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'statistics object', n.schema, n.schema || '.' || s.stxname::text, pg_get_statisticsobjdef(s.oid)
FROM pg_statistic_ext s JOIN ns n ON n.oid = s.stxnamespace
UNION ALL
SELECT 'large object', '', 'all of them', count(*)::text FROM pg_largeobject_metadata HAVING count(*) > 0
