-- A restored or promoted server counts transactions anew from some point: another system, or another timeline.
SELECT system_identifier::text, timeline_id::text
FROM pg_catalog.pg_control_system(), pg_catalog.pg_control_checkpoint()
