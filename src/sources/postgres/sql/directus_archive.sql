-- What "archived" means, per collection: the modeller chooses field and value.
SELECT collection::text, archive_field::text, archive_value::text
FROM {schema}.directus_collections
WHERE archive_field IS NOT NULL AND archive_value IS NOT NULL
