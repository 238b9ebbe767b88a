-- The unified register of a synthetic city: six columns that are required, and the optional crosswalk and claim funnel.
CREATE SCHEMA unified;
COMMENT ON SCHEMA unified IS 'sonograph synthetic city';
CREATE TABLE unified.entities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_type text NOT NULL CHECK (entity_type IN ('person', 'venue', 'organization')),
  canonical_id text,
  claim_status text NOT NULL DEFAULT 'unclaimed' CHECK (claim_status IN ('unclaimed', 'pending', 'claimed')),
  claimed_by uuid,
  metadata jsonb NOT NULL DEFAULT '{}',
  CONSTRAINT entities_claim_owner CHECK ((claim_status = 'claimed') <= (claimed_by IS NOT NULL)
    AND (claim_status = 'unclaimed') <= (claimed_by IS NULL))
);
CREATE UNIQUE INDEX entities_type_canonical_key ON unified.entities (entity_type, canonical_id)
  WHERE canonical_id IS NOT NULL;
CREATE TABLE unified.entity_sources (
  entity_id uuid NOT NULL REFERENCES unified.entities(id) ON DELETE CASCADE,
  source_system text NOT NULL, source_table text NOT NULL, source_id text NOT NULL, match_rule text NOT NULL,
  confidence real NOT NULL DEFAULT 1 CHECK (confidence > 0 AND confidence <= 1),
  matched_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source_system, source_table, source_id)
);
CREATE INDEX entity_sources_entity_idx ON unified.entity_sources (entity_id);
CREATE TABLE unified.claim_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_id uuid NOT NULL REFERENCES unified.entities(id) ON DELETE CASCADE,
  from_status text NOT NULL CHECK (from_status IN ('unclaimed', 'pending', 'claimed')),
  to_status text NOT NULL CHECK (to_status IN ('unclaimed', 'pending', 'claimed')),
  claimant uuid, method text, reason text, occurred_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((from_status, to_status) IN (('unclaimed', 'pending'), ('pending', 'claimed'), ('pending', 'unclaimed'),
    ('claimed', 'unclaimed')))
);
CREATE INDEX claim_events_entity_time ON unified.claim_events (entity_id, occurred_at);
