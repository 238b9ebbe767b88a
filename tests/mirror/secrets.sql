-- Everywhere an installation can hold text: an e-mail address, a telephone number, a token.
UPDATE directus.artists SET name = 'Ostara zq7.Mark@Secret.example', genres = 'house,zq7.mark@secret.example' WHERE name = 'DJ Ostara';
UPDATE directus.artists SET name = 'zq7.mark@secret.example', instagram_url = 'zq7.mark@secret.example' WHERE name = 'No Handle Yet';
UPDATE directus.venues SET city = 'zq7.mark@secret.example', timezone = 'zq7.mark@secret.example', name = 'Kiln +49 151 98769876',
  google_place_id = 'zq7.mark@secret.example' WHERE name = 'Kiln Room';
UPDATE directus.events SET name = 'RSVP zq7.mark@secret.example', tags = '["techno", "zq7.mark@secret.example", "+4915198769876"]',
  source_url = 'https://ra.example/e/1?access_token=zq7token&mail=zq7.mark%40secret.example#zq7token' WHERE id = 1;
UPDATE directus.events SET promoter_domain = NULL, promoter_name = 'zq7.mark@secret.example' WHERE id = 2;
UPDATE directus.events SET source_url = 'https://zq7user:zq7token@ra.example/zq7.mark@secret.example',
  promoter_domain = 'https://zq7user:zq7token@zq.example/', promoter_name = 'Zq zq7.mark@secret.example' WHERE id = 3;
UPDATE workspace_1wgvd1injqtife6y4rvfbu3h5.company SET name = 'Night Shift +49 (151) 9876-9876',
  "domainNamePrimaryLinkUrl" = 'https://zq7user:zq7token@www.nightshift.example/?token=zq7token' WHERE name LIKE 'Night%';
UPDATE workspace_1wgvd1injqtife6y4rvfbu3h5.person SET "nameLastName" = 'zq7.mark@secret.example', "jobTitle" = 'reach +4915198769876',
  "emailsPrimaryEmail" = 'ZQ7.mark@secret.example', "emailsAdditionalEmails" = '["zq7.mark@secret.example", "zq7.mark+b@secret.example"]',
  "phonesPrimaryPhoneNumber" = '0151 98769876', "phonesPrimaryPhoneCallingCode" = '+49' WHERE "nameFirstName" = 'Mara';
UPDATE workspace_1wgvd1injqtife6y4rvfbu3h5.person SET "phonesPrimaryPhoneNumber" = '', "phonesAdditionalPhones" =
  '[{"number": "", "callingCode": "+49"}, {"number": "0151 98769876", "countryCode": "DE", "callingCode": "+49"}, "+49 151 98769876"]'
  WHERE "nameFirstName" = 'Leo';
UPDATE workspace_1wgvd1injqtife6y4rvfbu3h5.opportunity SET name = 'deal with zq7.mark@secret.example, +4915198769876';
UPDATE unified.entities SET canonical_id = 'zq7.mark@secret.example', metadata = '{"name": "zq7.mark@secret.example", "roles": ["artist"]}'
  WHERE canonical_id IS NULL;
UPDATE unified.claim_events SET method = 'zq7.mark@secret.example';
INSERT INTO unified.entity_sources(entity_id, source_system, source_table, source_id, match_rule, confidence) VALUES
  ('3a000000-0000-7000-8000-000000000003', 'touchpoints', 'sonik_web.users', 'zq7.mark@secret.example', 'email', 1),
  ('3a000000-0000-7000-8000-000000000004', 'touchpoints', 'sonik_web.users', 'zq7.unread@secret.example', 'email', 1);
SET search_path = sonik_web;
INSERT INTO users(id, email, name) VALUES ('zq7.mark@secret.example', 'zq7.mark@secret.example', 'zq7.mark@secret.example'),
  ('+4915198769876', NULL, '+49 151 98769876');
INSERT INTO identifies(id, received_at, "timestamp", anonymous_id, user_id, email, name) VALUES
  ('zq7.mark@secret.example', now(), '2025-12-09T19:05:00Z', 'zq7.mark@secret.example', 'zq7.mark@secret.example', 'zq7.mark@secret.example', 'Z'),
  ('zq7.i2@secret.example', now(), '2025-12-09T19:05:00Z', '+4915198769876', '+4915198769876', 'zq7.mark@secret.example', 'Z');
INSERT INTO aliases(id, "timestamp", previous_id, user_id) VALUES
  ('zq7.mark@secret.example', '2025-12-09T19:05:00Z', 'zq7.old@secret.example', 'zq7.mark@secret.example'),
  ('zq7.a2@secret.example', '2025-12-09T19:05:00Z', '+4915198769876', 'zq7.nobody@secret.example');
INSERT INTO tracks(id, received_at, "timestamp", anonymous_id, user_id, event,
    context_campaign_source, context_campaign_medium, context_campaign_name, context_page_url) VALUES
  ('zq7.mark@secret.example', now(), '2025-12-09T19:00:00Z', '+4915198769876', NULL, 'content_shared',
    'zq7.mark@secret.example', '+4915198769876', 'zq7.mark@secret.example', 'https://x.example/?token=zq7token'),
  ('+4915198769876', now(), '2025-12-09T19:01:00Z', 'zq7.mark@secret.example', 'zq7.mark@secret.example', 'content_shared',
    'x', 'x', 'x', NULL),
  ('zq7.nobody@secret.example', now(), '2025-12-09T19:01:00Z', NULL, NULL, 'event_viewed', 'x', 'x', 'x', NULL),
  ('zq7.unread@secret.example', now(), '2025-12-09T19:01:00Z', 'anon-1', NULL, 'artist_followed', 'x', 'x', 'x', NULL);
INSERT INTO content_shared(id, content_url, event_id, channel, parent_share_id) VALUES
  ('zq7.mark@secret.example', 'https://sonik.example/e/2?access_token=zq7token&u=zq7.mark@secret.example#zq7token', 1, 'zq7.mark@secret.example',
    '+4915198769876'),
  ('+4915198769876', 'https://sonik.example/invite/zq7.mark%40secret.example', 1, '+4915198769876', 'zq7.gone@secret.example');
INSERT INTO artist_followed(id, artist_id) VALUES ('zq7.unread@secret.example', 'zq7.mark@secret.example');
-- Numbers that do not tell their country, and a person of whom nobody wrote down more than one.
UPDATE directus.events SET name = 'Guest list (987) 698-7600' WHERE id = 3;
UPDATE directus.venues SET name = 'Foundry, ask at 0151 98769876' WHERE name = 'The Foundry';
INSERT INTO workspace_1wgvd1injqtife6y4rvfbu3h5.person("nameFirstName", "nameLastName", "phonesPrimaryPhoneNumber",
  "phonesPrimaryPhoneCallingCode") VALUES ('98769', '876', '98769876', '+49');
INSERT INTO sonik_web.users(id, name) VALUES ('987-698-7600', '987-698-7600');
-- Addresses and numbers written so that nothing but a person reads them, and tokens that no key calls so.
INSERT INTO sonik_web.users(id, name) VALUES ('"zq7 mark"@secret.example', '"zq7 mark"@secret.example'),
  ('zq7.mark @ secret.example', 'Z'), ('zq7.mark(at)secret.example', 'zq7.mark(at)secret.example'),
  ('zq7.mark [at] secret [dot] example', 'Z'), ('zq7.mark%2540secret.example', 'Z'), ('%2B4915198769876', 'call %2B4915198769876'),
  ('eyJhbGciOi.eyJzcTci.zq7', 'eyJhbGciOi.eyJzcTci.zq7'), ('ghp_zq70123456789abcdef', 'Z'), ('Zq7xZ3k9QmB7vTn2RwLs8YpHd4GfJc6VbN1M', 'Z');
INSERT INTO unified.entity_sources(entity_id, source_system, source_table, source_id, match_rule, confidence) VALUES
  ('3a000000-0000-7000-8000-000000000004', 'touchpoints', 'sonik_web.users', 'eyJhbGciOi.eyJzcTci.zq7', 'id', 1),
  ('3a000000-0000-7000-8000-000000000004', 'touchpoints', 'sonik_web.users', 'Zq7xZ3k9QmB7vTn2RwLs8YpHd4GfJc6VbN1M', 'id', 1),
  ('3a000000-0000-7000-8000-000000000003', 'touchpoints', 'sonik_web.users', 'ghp_zq7read0123456789abcd', 'id', 1),
  ('3a000000-0000-7000-8000-000000000003', 'touchpoints', 'sonik_web.users', 'zq7.other @ secret.example', 'id', 1);
INSERT INTO sonik_web.tracks(id, received_at, "timestamp", anonymous_id, user_id, event,
    context_campaign_source, context_campaign_medium, context_campaign_name, context_page_url)
  -- In texts, `A @ b.c` is who plays where.
  SELECT id, now(), '2025-12-09T19:02:00Z', id, id, 'content_shared', 'ghp_zq70123456789abcdef', replace(id, ' @ ', '@'), replace(id, ' @ ', '@'), NULL
  FROM sonik_web.users WHERE id ILIKE '%zq7%' OR id LIKE '%4915198769876' ON CONFLICT DO NOTHING;
INSERT INTO sonik_web.content_shared(id, content_url, event_id, channel, parent_share_id)
  SELECT id, 'https://sonik.example/' || page, 1, id, 'zq7.gone(at)secret.example'
  FROM unnest(ARRAY['eyJhbGciOi.eyJzcTci.zq7', 'ghp_zq70123456789abcdef', 'Zq7xZ3k9QmB7vTn2RwLs8YpHd4GfJc6VbN1M', 'zq7.mark(at)secret.example'],
              ARRAY['magic-link/zq7', 'e/eyJhbGciOi.eyJzcTci.zq7?ref=ghp_zq70123456789abcdef', 'e/2;token=zq7/Zq7xZ3k9QmB7vTn2RwLs8YpHd4GfJc6VbN1M',
                    'bye/zq7.mark(at)secret.example']) AS told(id, page);
