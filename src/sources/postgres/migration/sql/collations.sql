-- Collations whose library is of another version now than when the data was sorted by them: what, recorded, actual.
SELECT 'the database', datcollversion, pg_database_collation_actual_version(oid)
FROM pg_database
WHERE datname = current_database() AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
UNION ALL
SELECT 'collation ' || c.collname::text, c.collversion, pg_collation_actual_version(c.oid)
FROM pg_collation c
WHERE c.collprovider <> 'd' AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attcollation = c.oid AND a.attnum > 0)
ORDER BY 1
