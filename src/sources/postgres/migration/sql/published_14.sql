-- What every publication holds: publication, piece, definition. Read before 15.
SELECT p.pubname::text, 'table ' || n.nspname::text || '.' || c.relname::text, ''
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
