-- unified.entities: one row per person, venue or organization, whatever systems know it. An artist is a person, a promoter
-- an organization. For PostgreSQL 15 and newer; every run leaves the same.
CREATE SCHEMA IF NOT EXISTS unified;

CREATE TABLE IF NOT EXISTS unified.entities (
  id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_type  text NOT NULL CHECK (entity_type IN ('person', 'venue', 'organization')),
  canonical_id text,                                    -- NULL until an outside id is known; normalised where it is
  claim_status text NOT NULL DEFAULT 'unclaimed' CHECK (claim_status IN ('unclaimed', 'pending', 'claimed')),
  claimed_by   uuid,
  metadata     jsonb NOT NULL DEFAULT '{}',
  -- A claimed entity has an owner, an unclaimed one has none.
  CONSTRAINT entities_claim_owner CHECK (
    (claim_status = 'claimed') <= (claimed_by IS NOT NULL) AND (claim_status = 'unclaimed') <= (claimed_by IS NULL))
);

-- One entity per kind and outside id.
CREATE UNIQUE INDEX IF NOT EXISTS entities_type_canonical_key
  ON unified.entities (entity_type, canonical_id) WHERE canonical_id IS NOT NULL;

-- Ids that sort by time, where the server can make them.
DO $do$ BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    ALTER TABLE unified.entities ALTER id SET DEFAULT uuidv7();
  END IF;
END $do$;
