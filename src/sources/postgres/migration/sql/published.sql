-- What every publication holds: publication, piece, definition. Read on 15 and newer, which know columns, rows and schemas.
SELECT p.pubname::text, 'table ' || n.nspname::text || '.' || c.relname::text,
       concat_ws(' ', 'columns ' || (SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum) FROM pg_attribute a
                                     WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)),
                 'where ' || pg_get_expr(r.prqual, r.prrelid))
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT p.pubname::text, 'schema ' || n.nspname::text, ''
FROM pg_publication_namespace r JOIN pg_publication p ON p.oid = r.pnpubid JOIN pg_namespace n ON n.oid = r.pnnspid
