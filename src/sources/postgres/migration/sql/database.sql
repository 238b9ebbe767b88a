-- The server and its database: version number and text, what tells it from every other, encoding, locale, and whether this role
-- may see how passwords are kept.
SELECT current_setting('server_version_num'), current_setting('server_version'),
       pg_postmaster_start_time()::text || ' ' || d.oid::text,
       pg_encoding_to_char(d.encoding)::text,
       d.datcollate::text || ' / ' || d.datctype::text
         || coalesce(' / ' || coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), ''),
       has_table_privilege('pg_authid', 'SELECT')::text
FROM pg_database d WHERE d.datname = current_database()
