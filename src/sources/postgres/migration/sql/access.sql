-- Who may do what: kind, schema, identity, definition. What an owner may do with its own is left out, and so is MAINTAIN,
-- which versions before 17 do not know.
WITH ns AS (
  SELECT oid, nspname::text AS schema, nspowner, nspacl FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), extended AS (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), owned AS (
  SELECT 'schema' AS what, schema, schema AS identity, nspowner AS owner, coalesce(nspacl, acldefault('n', nspowner)) AS acl
  FROM ns
  UNION ALL
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.schema, n.schema || '.' || c.relname::text, c.relowner,
         coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
  FROM pg_class c JOIN ns n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 'column', n.schema, n.schema || '.' || c.relname::text || '.' || a.attname::text, c.relowner, a.attacl
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ns n ON n.oid = c.relnamespace
  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
  UNION ALL
  SELECT 'function', n.schema,
         n.schema || '.' || p.proname::text || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.proowner,
         coalesce(p.proacl, acldefault('f', p.proowner))
  FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
), granted AS (
  SELECT o.what, o.schema, o.identity, x.grantee, x.privilege_type, x.is_grantable
  FROM owned o, aclexplode(o.acl) x
  WHERE x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN'
), preset AS (
  SELECT d.defaclrole, coalesce(n.schema, '') AS schema, d.defaclobjtype::text AS objects, x.grantee, x.privilege_type
  FROM pg_default_acl d LEFT JOIN ns n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) x
  WHERE x.grantee <> d.defaclrole AND x.privilege_type <> 'MAINTAIN'
), used AS (
  SELECT owner AS oid FROM owned WHERE what <> 'column'
  UNION SELECT grantee FROM granted
  UNION SELECT grantee FROM preset
  UNION SELECT unnest(polroles) FROM pg_policy
)
SELECT 'grant' AS kind, schema,
       privilege_type || ' on ' || what || ' ' || identity || ' to ' || coalesce(g.rolname::text, 'PUBLIC') AS identity,
       CASE WHEN is_grantable THEN 'with grant option' ELSE '' END AS definition
FROM granted LEFT JOIN pg_roles g ON g.oid = grantee
UNION ALL
SELECT 'default grant', schema,
       privilege_type || ' on new ' || objects || ' of ' || r.rolname::text || CASE WHEN schema = '' THEN '' ELSE ' in ' || schema END
         || ' to ' || coalesce(g.rolname::text, 'PUBLIC'), ''
FROM preset JOIN pg_roles r ON r.oid = defaclrole LEFT JOIN pg_roles g ON g.oid = grantee
UNION ALL
SELECT 'owner', schema, what || ' ' || identity, r.rolname::text
FROM owned JOIN pg_roles r ON r.oid = owner WHERE what <> 'column'
UNION ALL
SELECT 'used role', '', r.rolname::text, '' FROM used JOIN pg_roles r ON r.oid = used.oid
UNION ALL
SELECT 'role', '', rolname::text,
       CASE WHEN rolcanlogin THEN 'login' ELSE 'no login' END || CASE WHEN rolsuper THEN ', superuser' ELSE '' END
         || CASE WHEN rolbypassrls THEN ', bypasses row security' ELSE '' END || CASE WHEN rolcreaterole THEN ', makes roles' ELSE '' END
         || CASE WHEN rolcreatedb THEN ', makes databases' ELSE '' END || CASE WHEN rolreplication THEN ', replication' ELSE '' END
         || CASE WHEN rolinherit THEN '' ELSE ', inherits nothing' END
FROM pg_roles WHERE rolname !~ '^pg_'
UNION ALL
SELECT DISTINCT 'membership', '', m.rolname::text || ' in ' || r.rolname::text, ''
FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname !~ '^pg_'
UNION ALL
-- A setting may be a secret (some installations keep one there): its value is compared and never told.
SELECT 'setting', '', split_part(c, '=', 1) || coalesce(' of role ' || r.rolname::text, ' of the database'), md5(c)
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
   OR (s.setdatabase = 0 AND r.rolname !~ '^pg_')
