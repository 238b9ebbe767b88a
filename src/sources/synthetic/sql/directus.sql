-- The Directus layout of a synthetic city: the discovery collections and the system tables that describe them.
-- Names, types and gaps are those of a real installation: wall clocks without a zone, `real` coordinates, keys and
-- stamps that the application fills in, a junction whose both ends may be empty, no index on any foreign key.
CREATE SCHEMA directus;
COMMENT ON SCHEMA directus IS 'sonograph synthetic city';
SET LOCAL search_path = directus;

CREATE TABLE directus_users (
  id uuid PRIMARY KEY, first_name varchar(50), last_name varchar(50), email varchar(128) UNIQUE,
  status varchar(16) NOT NULL DEFAULT 'active'
);
CREATE TABLE directus_migrations (
  version varchar(255) PRIMARY KEY, name varchar(255) NOT NULL, "timestamp" timestamptz DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE directus_collections (
  collection varchar(64) PRIMARY KEY, icon varchar(64), note text, hidden boolean NOT NULL DEFAULT false,
  singleton boolean NOT NULL DEFAULT false, archive_field varchar(64), archive_app_filter boolean NOT NULL DEFAULT true,
  archive_value varchar(255), unarchive_value varchar(255), sort_field varchar(64),
  accountability varchar(255) DEFAULT 'all'
);
CREATE TABLE directus_fields (
  id serial PRIMARY KEY, collection varchar(64) NOT NULL, field varchar(64) NOT NULL, special varchar(64),
  interface varchar(64), options json, readonly boolean NOT NULL DEFAULT false, hidden boolean NOT NULL DEFAULT false,
  sort integer
);
CREATE TABLE directus_relations (
  id serial PRIMARY KEY, many_collection varchar(64) NOT NULL, many_field varchar(64) NOT NULL,
  one_collection varchar(64), one_field varchar(64), one_collection_field varchar(64), one_allowed_collections text,
  junction_field varchar(64), sort_field varchar(64), one_deselect_action varchar(255) NOT NULL DEFAULT 'nullify'
);
CREATE TABLE directus_activity (
  id serial PRIMARY KEY, action varchar(45) NOT NULL, "user" uuid,
  "timestamp" timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP, ip varchar(50), user_agent text,
  collection varchar(64) NOT NULL, item varchar(255) NOT NULL, origin varchar(255)
);

CREATE TABLE venues (
  id uuid PRIMARY KEY, status varchar(255) NOT NULL DEFAULT 'draft', sort integer,
  user_created uuid REFERENCES directus_users(id), date_created timestamptz,
  user_updated uuid REFERENCES directus_users(id), date_updated timestamptz,
  name varchar(255) NOT NULL, slug varchar(255) UNIQUE, google_place_id varchar(255), address text,
  city varchar(255), country varchar(255), latitude real, longitude real, timezone varchar(255), capacity integer,
  website varchar(255), instagram_url varchar(255), raw json
);
CREATE TABLE artists (
  id uuid PRIMARY KEY, status varchar(255) NOT NULL DEFAULT 'draft', sort integer,
  user_created uuid REFERENCES directus_users(id), date_created timestamptz,
  user_updated uuid REFERENCES directus_users(id), date_updated timestamptz,
  name varchar(255) NOT NULL, instagram_url varchar(255), genres text, bio text, spotify_id varchar(255), raw json
);
CREATE TABLE events (
  id serial PRIMARY KEY, status varchar(255) NOT NULL DEFAULT 'draft', sort integer,
  user_created uuid REFERENCES directus_users(id), date_created timestamptz,
  user_updated uuid REFERENCES directus_users(id), date_updated timestamptz,
  name varchar(255) NOT NULL, start_date timestamp, end_date timestamptz, doors time, day date, description text,
  source varchar(255), source_url varchar(255) UNIQUE, scraped_at timestamptz, price_min numeric(10,2),
  is_free boolean DEFAULT false, promoter_name varchar(255), promoter_domain varchar(255), tags json,
  external_id bigint, venue uuid REFERENCES venues(id) ON DELETE SET NULL
);
CREATE TABLE events_artists (
  id serial PRIMARY KEY,
  events_id integer REFERENCES events(id) ON DELETE SET NULL,
  artists_id uuid REFERENCES artists(id) ON DELETE SET NULL,
  sort integer
);

INSERT INTO directus_migrations VALUES ('20260909A', 'Add Flows Module', '2025-11-01T00:00:00Z');
INSERT INTO directus_collections (collection, archive_field, archive_value, unarchive_value, sort_field) VALUES
  ('venues', 'status', 'archived', 'draft', 'sort'),
  ('artists', 'status', 'archived', 'draft', 'sort'),
  ('events', 'status', 'archived', 'draft', 'sort'),
  ('events_artists', NULL, NULL, NULL, NULL);
INSERT INTO directus_fields (collection, field, special) VALUES
  ('events', 'venue', 'm2o'), ('events', 'artists', 'm2m'), ('events', 'tags', 'cast-json'),
  ('events', 'is_free', 'cast-boolean'), ('events', 'date_created', 'date-created'),
  ('events', 'date_updated', 'date-updated'), ('artists', 'genres', 'cast-csv'), ('venues', 'events', 'o2m'),
  ('venues', 'id', 'uuid'), ('artists', 'id', 'uuid');
INSERT INTO directus_relations
  (many_collection, many_field, one_collection, one_field, junction_field, sort_field) VALUES
  ('events', 'venue', 'venues', 'events', NULL, NULL),
  ('events_artists', 'events_id', 'events', 'artists', 'artists_id', 'sort'),
  ('events_artists', 'artists_id', 'artists', NULL, 'events_id', NULL);
INSERT INTO directus_users (id, first_name, email) VALUES
  ('0a200000-0000-4000-8000-000000000001', 'Scraper', 'scraper@city.example');
