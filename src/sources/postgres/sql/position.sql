-- Where this transaction stands among all others, the clock, the database, and whether we may ask which server it is.
SELECT pg_snapshot_xmin(s)::text,
       pg_snapshot_xmax(s)::text,
       (extract(epoch FROM now()) * 1000000)::bigint::text,
       (SELECT oid::text FROM pg_catalog.pg_database WHERE datname = current_database()),
       (has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
         AND has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE'))::text
FROM pg_catalog.pg_current_snapshot() s
