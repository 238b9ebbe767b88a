-- unified.claim_events: every step of every claim, only ever appended to. Without it the funnel is a stock and no flow.
CREATE TABLE IF NOT EXISTS unified.claim_events (
  id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_id   uuid NOT NULL REFERENCES unified.entities (id) ON DELETE CASCADE,
  from_status text NOT NULL CHECK (from_status IN ('unclaimed', 'pending', 'claimed')),
  to_status   text NOT NULL CHECK (to_status IN ('unclaimed', 'pending', 'claimed')),
  claimant    uuid,
  method      text,                                     -- 'email_domain', 'instagram_dm', 'manual'
  reason      text,                                     -- of a rejection: pending to unclaimed
  occurred_at timestamptz NOT NULL DEFAULT now(),
  CHECK (from_status <> to_status),
  CHECK ((from_status, to_status) IN
    (('unclaimed', 'pending'), ('pending', 'claimed'), ('pending', 'unclaimed'), ('claimed', 'unclaimed')))
);

CREATE INDEX IF NOT EXISTS claim_events_entity_time ON unified.claim_events (entity_id, occurred_at);

-- Ids that sort by time, where the server can make them.
DO $do$ BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    ALTER TABLE unified.claim_events ALTER id SET DEFAULT uuidv7();
  END IF;
END $do$;
