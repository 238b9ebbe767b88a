-- The junctions between events and artists: a many-to-many field has no column, only two relations of its junction.
-- $1 holds the collections' names: venues, artists, events. A many-to-any junction names the collection of each item in
-- a column of its own, and those it may hold in a list.
SELECT a.many_collection::text, a.many_field::text, b.many_field::text, a.sort_field::text,
       CASE WHEN b.one_collection IS NULL THEN b.one_collection_field::text END, ($1)[2]
FROM {schema}.directus_relations a
JOIN {schema}.directus_relations b
  ON b.many_collection = a.many_collection AND b.many_field = a.junction_field
WHERE a.one_collection = ($1)[3]
  AND (b.one_collection = ($1)[2]
       OR b.one_collection IS NULL AND b.one_collection_field IS NOT NULL
          AND ($1)[2] = ANY (string_to_array(replace(b.one_allowed_collections, ' ', ''), ',')))
ORDER BY a.id
