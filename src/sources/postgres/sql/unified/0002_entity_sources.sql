-- unified.entity_sources: which row of which system an entity is. A source row belongs to exactly one entity.
CREATE TABLE IF NOT EXISTS unified.entity_sources (
  entity_id     uuid NOT NULL REFERENCES unified.entities (id) ON DELETE CASCADE,
  source_system text NOT NULL,                          -- 'directus', 'twenty', 'touchpoints', 'cognee'
  source_table  text NOT NULL,                          -- 'directus.venues', 'workspace_x.company'
  source_id     text NOT NULL,                          -- the primary key there, as text
  match_rule    text NOT NULL,                          -- 'google_place_id', 'instagram', 'domain', 'email', 'manual'
  confidence    real NOT NULL DEFAULT 1 CHECK (confidence > 0 AND confidence <= 1),
  matched_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source_system, source_table, source_id)
);

CREATE INDEX IF NOT EXISTS entity_sources_entity_idx ON unified.entity_sources (entity_id);
