-- The field by which an event names its venue.
SELECT many_field::text
FROM {schema}.directus_relations
WHERE many_collection = 'events' AND one_collection = 'venues'
ORDER BY id
LIMIT 1
