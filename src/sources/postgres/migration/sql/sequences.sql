-- Every sequence with the columns it feeds, by ownership (serial, identity) or by a default: schema, name, step, readable,
-- last value given out (nothing: none yet), then schema, table and column.
WITH feeds AS (
  SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS attnum
  FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  UNION
  SELECT d.refobjid, f.adrelid, f.adnum
  FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
  WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
)
SELECT n.nspname::text, s.relname::text, q.seqincrement::text,
       has_sequence_privilege(s.oid, 'USAGE,SELECT')::text,
       CASE WHEN has_sequence_privilege(s.oid, 'USAGE,SELECT') THEN pg_sequence_last_value(s.oid)::text END,
       tn.nspname::text, t.relname::text, a.attname::text
FROM pg_sequence q
JOIN pg_class s ON s.oid = q.seqrelid
JOIN pg_namespace n ON n.oid = s.relnamespace
LEFT JOIN feeds f ON f.sequence = s.oid
LEFT JOIN pg_class t ON t.oid = f.relation AND t.relkind IN ('r', 'p')
LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = f.attnum
  AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  -- Those of an extension are its own, but for those it declared to be the installation's.
  AND (NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = 'pg_class'::regclass AND e.objid = s.oid)
    OR EXISTS (SELECT FROM pg_extension x WHERE s.oid = ANY (x.extconfig)))
ORDER BY 1, 2, 6, 7, 8
