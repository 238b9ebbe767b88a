-- The field by which an event names its venue; $1 holds the collections' names: venues, artists, events.
SELECT many_field::text
FROM {schema}.directus_relations
WHERE many_collection = ($1)[3] AND one_collection = ($1)[1] AND junction_field IS NULL
ORDER BY id
LIMIT 1
