-- Workspaces and the schema each says it lives in ('' on older releases), whatever their state.
SELECT id::text, "databaseSchema"::text, {subdomain}, {status}, "deletedAt"::text
FROM {schema}.workspace
ORDER BY id
