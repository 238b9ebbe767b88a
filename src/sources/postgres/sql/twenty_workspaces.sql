-- Workspaces and the schema each says it lives in; '' on older releases.
SELECT id::text, "databaseSchema"::text
FROM core.workspace
WHERE "deletedAt" IS NULL
