-- The junction between events and artists: a many-to-many field has no column, only these two relations.
SELECT a.many_collection::text, a.many_field::text, b.many_field::text, a.sort_field::text
FROM {schema}.directus_relations a
JOIN {schema}.directus_relations b
  ON b.many_collection = a.many_collection AND b.many_field = a.junction_field
WHERE a.one_collection = 'events' AND b.one_collection = 'artists'
ORDER BY a.id
LIMIT 1
