-- The newest migration names the release.
SELECT max(version)::text FROM {schema}.directus_migrations
