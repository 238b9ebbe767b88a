-- What an installation rarely makes and a move loses all the same: kind, schema, identity, definition.
-- Left out: what initdb made (below the first oid given to users) and what belongs to an extension (its version answers for it).
-- Columns that are not in every version are read through to_jsonb.
WITH ns AS (
  SELECT oid, nspname::text AS schema FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), piece (class, oid, kind, schema, identity, definition) AS (
  SELECT 'pg_operator'::regclass, o.oid, 'operator', n.schema,
         n.schema || '.' || o.oprname::text || ' (' || coalesce(nullif(o.oprleft, 0)::regtype::text, 'none') || ', '
           || o.oprright::regtype::text || ')',
         o.oprcode::text || ' returns ' || o.oprresult::regtype::text
           || CASE WHEN o.oprcom = 0 THEN '' ELSE ' commutator ' || o.oprcom::regoperator::text END
           || CASE WHEN o.oprnegate = 0 THEN '' ELSE ' negator ' || o.oprnegate::regoperator::text END
           || ' restrict ' || o.oprrest::text || ' join ' || o.oprjoin::text
           || CASE WHEN o.oprcanhash THEN ' hashes' ELSE '' END || CASE WHEN o.oprcanmerge THEN ' merges' ELSE '' END
  FROM pg_operator o JOIN ns n ON n.oid = o.oprnamespace
  UNION ALL
  SELECT 'pg_opclass'::regclass, o.oid, 'operator class', n.schema, 'class ' || n.schema || '.' || o.opcname::text || ' using ' || m.amname::text,
         'for ' || o.opcintype::regtype::text || CASE WHEN o.opcdefault THEN ' default' ELSE '' END
           || ' in ' || fn.nspname::text || '.' || f.opfname::text
           || CASE WHEN o.opckeytype = 0 THEN '' ELSE ' stores ' || o.opckeytype::regtype::text END
  FROM pg_opclass o JOIN ns n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
  JOIN pg_opfamily f ON f.oid = o.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace
  UNION ALL
  SELECT 'pg_opfamily'::regclass, f.oid, 'operator class', n.schema, 'family ' || n.schema || '.' || f.opfname::text || ' using ' || m.amname::text,
         coalesce((SELECT string_agg(member, ', ' ORDER BY member) FROM (
           SELECT a.amopstrategy || ' ' || a.amoppurpose::text || ' ' || a.amopopr::regoperator::text FROM pg_amop a WHERE a.amopfamily = f.oid
           UNION ALL
           SELECT p.amprocnum || ' ' || p.amproclefttype::regtype::text || ' ' || p.amprocrighttype::regtype::text || ' ' || p.amproc::text
           FROM pg_amproc p WHERE p.amprocfamily = f.oid) members (member)), '')
  FROM pg_opfamily f JOIN ns n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
  UNION ALL
  SELECT 'pg_cast'::regclass, c.oid, 'cast', '', c.castsource::regtype::text || ' as ' || c.casttarget::regtype::text,
         c.castcontext::text || c.castmethod::text || CASE WHEN c.castfunc = 0 THEN '' ELSE ' ' || c.castfunc::regprocedure::text END
  FROM pg_cast c
  UNION ALL
  SELECT 'pg_collation'::regclass, c.oid, 'collation', n.schema, n.schema || '.' || c.collname::text,
         'provider ' || c.collprovider::text || CASE WHEN c.collisdeterministic THEN '' ELSE ' nondeterministic' END
           || coalesce(' rules ' || (to_jsonb(c) ->> 'collicurules'), '')
  FROM pg_collation c JOIN ns n ON n.oid = c.collnamespace
  UNION ALL
  -- Since 16 a server writes the name of an ICU locale its own way: an underscore becomes a hyphen, `@` other words.
  SELECT 'pg_collation'::regclass, c.oid, 'collation locale', n.schema, n.schema || '.' || c.collname::text,
         CASE c.collprovider
           WHEN 'i' THEN lower(replace(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate::text), '_', '-'))
           WHEN 'b' THEN to_jsonb(c) ->> 'colllocale'
           ELSE c.collcollate::text || ' / ' || c.collctype::text END
  FROM pg_collation c JOIN ns n ON n.oid = c.collnamespace
  UNION ALL
  SELECT 'pg_conversion'::regclass, c.oid, 'conversion', n.schema, n.schema || '.' || c.conname::text,
         pg_encoding_to_char(c.conforencoding)::text || ' to ' || pg_encoding_to_char(c.contoencoding)::text || ' by ' || c.conproc::text
           || CASE WHEN c.condefault THEN ' default' ELSE '' END
  FROM pg_conversion c JOIN ns n ON n.oid = c.connamespace
  UNION ALL
  SELECT 'pg_ts_config'::regclass, c.oid, 'text search', n.schema, 'configuration ' || n.schema || '.' || c.cfgname::text,
         'parser ' || pn.nspname::text || '.' || p.prsname::text || coalesce((
           SELECT string_agg(', ' || m.maptokentype || ' with ' || m.mapdict::regdictionary::text, '' ORDER BY m.maptokentype, m.mapseqno)
           FROM pg_ts_config_map m WHERE m.mapcfg = c.oid), '')
  FROM pg_ts_config c JOIN ns n ON n.oid = c.cfgnamespace
  JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace pn ON pn.oid = p.prsnamespace
  UNION ALL
  SELECT 'pg_ts_dict'::regclass, d.oid, 'text search', n.schema, 'dictionary ' || n.schema || '.' || d.dictname::text,
         'template ' || tn.nspname::text || '.' || t.tmplname::text || coalesce(' ' || d.dictinitoption, '')
  FROM pg_ts_dict d JOIN ns n ON n.oid = d.dictnamespace
  JOIN pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
  UNION ALL
  SELECT 'pg_ts_parser'::regclass, p.oid, 'text search', n.schema, 'parser ' || n.schema || '.' || p.prsname::text,
         concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)
  FROM pg_ts_parser p JOIN ns n ON n.oid = p.prsnamespace
  UNION ALL
  SELECT 'pg_ts_template'::regclass, t.oid, 'text search', n.schema, 'template ' || n.schema || '.' || t.tmplname::text,
         concat_ws(' ', t.tmplinit, t.tmpllexize)
  FROM pg_ts_template t JOIN ns n ON n.oid = t.tmplnamespace
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, 'type', n.schema, n.schema || '.' || t.typname::text,
         CASE t.typtype
           WHEN 'r' THEN 'range of ' || r.rngsubtype::regtype::text || ' by ' || oc.opcname::text
             || CASE WHEN co.collname IS NULL THEN '' ELSE ' collate ' || co.collname::text END
             || ' ' || r.rngcanonical::text || ' ' || r.rngsubdiff::text
           WHEN 'c' THEN 'composite' WHEN 'p' THEN 'shell'
           ELSE concat_ws(' ', 'base', t.typinput, t.typoutput, t.typlen, t.typalign, t.typstorage, t.typcategory, t.typdefault) END
  FROM pg_type t JOIN ns n ON n.oid = t.typnamespace
  LEFT JOIN pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_opclass oc ON oc.oid = r.rngsubopc
  LEFT JOIN pg_collation co ON co.oid = r.rngcollation LEFT JOIN pg_class c ON c.oid = t.typrelid
  WHERE (t.typtype IN ('r', 'p') OR (t.typtype = 'c' AND c.relkind = 'c') OR t.typtype = 'b')
    AND NOT EXISTS (SELECT FROM pg_type a WHERE a.typarray = t.oid)
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, 'multirange', n.schema, n.schema || '.' || t.typname::text,
         (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype::text
  FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN ns n ON n.oid = t.typnamespace
  WHERE to_jsonb(r) ->> 'rngmultitypid' IS NOT NULL
  UNION ALL
  SELECT 'pg_language'::regclass, l.oid, 'language', '', 'language ' || l.lanname::text,
         concat_ws(' ', CASE WHEN l.lanpltrusted THEN 'trusted' ELSE 'untrusted' END, l.lanplcallfoid::regproc, l.laninline::regproc, l.lanvalidator::regproc)
  FROM pg_language l
  UNION ALL
  SELECT 'pg_am'::regclass, a.oid, 'language', '', 'access method ' || a.amname::text, a.amtype::text || ' ' || a.amhandler::text FROM pg_am a
  UNION ALL
  SELECT 'pg_transform'::regclass, t.oid, 'language', '', 'transform for ' || t.trftype::regtype::text || ' in ' || l.lanname::text,
         t.trffromsql::text || ' ' || t.trftosql::text
  FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
  UNION ALL
  SELECT 'pg_foreign_data_wrapper'::regclass, w.oid, 'foreign server', '', 'wrapper ' || w.fdwname::text,
         w.fdwhandler::regproc::text || ' ' || w.fdwvalidator::regproc::text
  FROM pg_foreign_data_wrapper w
  UNION ALL
  SELECT 'pg_foreign_server'::regclass, s.oid, 'foreign server', '', 'server ' || s.srvname::text,
         concat_ws(' ', w.fdwname, s.srvtype, s.srvversion)
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  UNION ALL
  SELECT 'pg_user_mapping'::regclass, u.umid, 'user mapping', '', u.usename::text || ' on ' || u.srvname::text, '' FROM pg_user_mappings u
  UNION ALL
  SELECT 'pg_user_mapping'::regclass, u.umid, 'hidden option', '', u.usename::text || ' on ' || u.srvname::text, ''
  FROM pg_user_mappings u
  WHERE u.umoptions IS NULL AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  UNION ALL
  -- An option may be a password: its value is compared and never told.
  SELECT o.class, o.oid, 'foreign option', o.schema, o.identity || ': ' || split_part(v, '=', 1), md5(v)
  FROM (
    SELECT 'pg_foreign_data_wrapper'::regclass, oid, '', 'wrapper ' || fdwname::text, fdwoptions FROM pg_foreign_data_wrapper
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, oid, '', 'server ' || srvname::text, srvoptions FROM pg_foreign_server
    UNION ALL
    SELECT 'pg_user_mapping'::regclass, umid, '', 'mapping of ' || usename::text || ' on ' || srvname::text, umoptions FROM pg_user_mappings
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, n.schema, 'table ' || n.schema || '.' || c.relname::text, t.ftoptions
    FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid JOIN ns n ON n.oid = c.relnamespace
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, n.schema, 'column ' || n.schema || '.' || c.relname::text || '.' || a.attname::text, a.attfdwoptions
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ns n ON n.oid = c.relnamespace
    WHERE a.attfdwoptions IS NOT NULL AND NOT a.attisdropped
  ) o (class, oid, schema, identity, options), unnest(o.options) v
)
SELECT kind, schema, identity, definition FROM piece
WHERE oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = piece.class AND e.objid = piece.oid
                    -- A range type comes with a cast of its own.
                    AND (e.deptype = 'e' OR (e.deptype = 'i' AND e.classid = 'pg_cast'::regclass)))
