-- Every column of the table of oid {oid}: name, type as written; of a domain the type beneath, its kind, whether it is an array
-- and of what; readable; mean width where the planner knows one, of the table or of one of {members}.
WITH RECURSIVE beneath(attnum, type) AS (
  SELECT a.attnum, a.atttypid FROM pg_attribute a WHERE a.attrelid = {oid}::oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attnum, t.typbasetype FROM beneath b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.oid::text, t.typtype::text,
       e.oid::text, e.typtype::text, has_column_privilege(a.attrelid, a.attnum, 'SELECT')::text,
       (SELECT max(s.avg_width) FROM pg_stats s JOIN pg_class c ON c.relname = s.tablename
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
        WHERE c.oid IN ({members}) AND s.attname = a.attname)::text
FROM pg_attribute a
JOIN beneath b ON b.attnum = a.attnum
JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
WHERE a.attrelid = {oid}::oid
ORDER BY a.attnum
