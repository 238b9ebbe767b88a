-- What a replication leaves behind and what retains WAL: kind, name, state.
SELECT 'replication slot', slot_name::text, CASE WHEN active THEN 'active' ELSE 'inactive' END
FROM pg_replication_slots WHERE database = current_database() OR database IS NULL
UNION ALL
SELECT 'publication', pubname::text, '' FROM pg_publication
UNION ALL
SELECT 'subscription', subname::text, CASE WHEN subenabled THEN 'enabled' ELSE 'disabled' END
FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1, 2
