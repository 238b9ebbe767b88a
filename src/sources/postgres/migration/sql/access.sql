-- Who may do what: kind, schema, identity, definition. What an owner may do with its own is left out, and so is MAINTAIN,
-- which versions before 17 do not know.
WITH ns AS (
  SELECT oid, nspname::text AS schema, nspowner, nspacl FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), extended AS (
  -- What comes with an extension, and the functions that come with a range type: since 14 those of its multirange, too.
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e' OR (deptype = 'i' AND classid = 'pg_proc'::regclass)
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
  UNION ALL
  -- A table, an array and a multirange have a type that nobody grants.
  SELECT 'type', n.schema, n.schema || '.' || t.typname::text, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
  FROM pg_type t JOIN ns n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
  WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r') AND coalesce(c.relkind = 'c', true)
    AND NOT EXISTS (SELECT FROM pg_type a WHERE a.typarray = t.oid)
    AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
  UNION ALL
  SELECT 'foreign data wrapper', '', fdwname::text, fdwowner, coalesce(fdwacl, acldefault('F', fdwowner))
  FROM pg_foreign_data_wrapper w
  WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid)
  UNION ALL
  SELECT 'foreign server', '', srvname::text, srvowner, coalesce(srvacl, acldefault('S', srvowner)) FROM pg_foreign_server
  UNION ALL
  SELECT 'language', '', lanname::text, lanowner, coalesce(lanacl, acldefault('l', lanowner)) FROM pg_language WHERE lanpltrusted
  UNION ALL
  SELECT 'large object', '', m.oid::text, m.lomowner, coalesce(m.lomacl, acldefault('L', m.lomowner)) FROM pg_largeobject_metadata m
  UNION ALL
  -- What nobody grants, and has an owner.
  SELECT i.type, coalesce(i.schema, ''), i.identity, o.owner, NULL
  FROM (
    SELECT 'pg_publication'::regclass, oid, pubowner FROM pg_publication
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, evtowner FROM pg_event_trigger
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner FROM pg_conversion
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict
  ) o (class, oid, owner), pg_identify_object(o.class, o.oid, 0) i
  WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = o.class AND e.objid = o.oid)
  UNION ALL
  SELECT 'database', '', 'itself', datdba, coalesce(datacl, acldefault('d', datdba)) FROM pg_database WHERE datname = current_database()
), granted AS (
  SELECT o.what, o.schema, o.identity, x.grantee, x.privilege_type, x.is_grantable
  FROM owned o, aclexplode(o.acl) x
  WHERE x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN'
), preset AS (
  SELECT d.defaclrole, coalesce(n.schema, '') AS schema, d.defaclobjtype::text AS objects, x.grantee, x.privilege_type,
         x.is_grantable, '' AS negation
  FROM pg_default_acl d LEFT JOIN ns n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) x
  WHERE x.grantee <> d.defaclrole AND x.privilege_type <> 'MAINTAIN'
  UNION ALL
  -- What everybody gets by default was taken away: its loss opens a door.
  SELECT d.defaclrole, '', d.defaclobjtype::text, 0, x.privilege_type, false, 'no '
  FROM pg_default_acl d, aclexplode(acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END::"char", d.defaclrole)) x
  WHERE d.defaclnamespace = 0 AND x.grantee = 0
    AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) k WHERE k.grantee = 0 AND k.privilege_type = x.privilege_type)
), used AS (
  SELECT owner AS oid FROM owned WHERE what NOT IN ('column', 'language', 'database')
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
       negation || privilege_type || ' on new ' || objects || ' of ' || r.rolname::text || CASE WHEN schema = '' THEN '' ELSE ' in ' || schema END
         || ' to ' || coalesce(g.rolname::text, 'PUBLIC'), CASE WHEN is_grantable THEN 'with grant option' ELSE '' END
FROM preset JOIN pg_roles r ON r.oid = defaclrole LEFT JOIN pg_roles g ON g.oid = grantee
UNION ALL
SELECT 'owner', schema, what || ' ' || identity, r.rolname::text
FROM owned JOIN pg_roles r ON r.oid = owner WHERE what NOT IN ('column', 'language', 'large object')
UNION ALL
-- There may be millions of large objects: whose they are is told by number, and summed up.
SELECT 'owner', '', 'large objects', string_agg(objects || ' of ' || role || ' (' || left(sum, 8) || ')', ', ' ORDER BY role)
FROM (
  SELECT r.rolname::text AS role, count(*) AS objects, md5(string_agg(identity, ' ' ORDER BY identity)) AS sum
  FROM owned JOIN pg_roles r ON r.oid = owner WHERE what = 'large object' GROUP BY r.rolname
) o
HAVING count(*) > 0
UNION ALL
SELECT 'used role', '', r.rolname::text, '' FROM used JOIN pg_roles r ON r.oid = used.oid
UNION ALL
SELECT 'role', '', rolname::text,
       CASE WHEN rolcanlogin THEN 'login' ELSE 'no login' END || CASE WHEN rolsuper THEN ', superuser' ELSE '' END
         || CASE WHEN rolbypassrls THEN ', bypasses row security' ELSE '' END || CASE WHEN rolcreaterole THEN ', makes roles' ELSE '' END
         || CASE WHEN rolcreatedb THEN ', makes databases' ELSE '' END || CASE WHEN rolreplication THEN ', replication' ELSE '' END
         || CASE WHEN rolinherit THEN '' ELSE ', inherits nothing' END
         || coalesce(', until ' || nullif(rolvaliduntil, 'infinity')::text, '')
         || coalesce(', commented ' || left(md5(shobj_description(oid, 'pg_authid')), 8), '')
FROM pg_roles WHERE rolname !~ '^pg_'
UNION ALL
-- Since 16 a role may be granted by several, and each grant says whether its rights are inherited: before, the member did.
SELECT 'membership', '', m.rolname::text || ' in ' || r.rolname::text,
       CASE WHEN bool_or(a.admin_option) THEN 'with admin option' ELSE '' END
         || CASE WHEN bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, m.rolinherit)) THEN '' ELSE ' without inheriting' END
FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname !~ '^pg_'
GROUP BY m.rolname, r.rolname
UNION ALL
-- A setting may be a secret (some installations keep one there): its value is compared and never told. What an application named
-- itself, with a dot, may rightly be another in a new project, and a role that nothing here hangs on may be another database's.
SELECT CASE WHEN c LIKE '%.%=%' AND position('.' IN c) < position('=' IN c) OR (s.setrole <> 0 AND u.oid IS NULL)
            THEN 'other setting' ELSE 'setting' END,
       '', split_part(c, '=', 1) || coalesce(' of role ' || r.rolname::text || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' in the database' END,
                                             ' of the database'), md5(c)
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN used u ON u.oid = s.setrole, unnest(s.setconfig) c
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
   OR (s.setdatabase = 0 AND r.rolname !~ '^pg_')
UNION ALL
SELECT 'setting', '', 'connection limit of the database', datconnlimit::text FROM pg_database
WHERE datname = current_database() AND datconnlimit <> -1
UNION ALL
SELECT CASE WHEN u.oid IS NULL THEN 'other setting' ELSE 'setting' END, '', 'connection limit of role ' || r.rolname::text, r.rolconnlimit::text
FROM pg_roles r LEFT JOIN used u ON u.oid = r.oid
WHERE r.rolconnlimit <> -1 AND r.rolname !~ '^pg_'
