-- Where this transaction stands among all others, the clock, the database, and whether we may ask which server it is.
-- The functions are named as every version names them; since 13 they have other names, too.
SELECT txid_snapshot_xmin(s)::text,
       txid_snapshot_xmax(s)::text,
       (extract(epoch FROM now()) * 1000000)::bigint::text,
       (SELECT oid::text FROM pg_catalog.pg_database WHERE datname = current_database()),
       (has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
         AND has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE'))::text
FROM pg_catalog.txid_current_snapshot() s
