-- What every publication does: publication, piece, definition.
SELECT p.pubname::text, 'publishes', concat_ws(' ', CASE WHEN p.puballtables THEN 'all tables:' END, CASE WHEN p.pubinsert THEN 'insert' END,
       CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
       CASE WHEN to_jsonb(p) ->> 'pubviaroot' = 'true' THEN 'via root' END,
       CASE WHEN coalesce(to_jsonb(p) ->> 'pubgencols', 'n') NOT IN ('n', 'false') THEN 'generated columns' END)
FROM pg_publication p
