-- Whose each touch is: the rule of identity in SQL, with aliases and with the rule of shared devices.
WITH RECURSIVE
  device AS (
    SELECT anonymous_id AS id FROM tracks WHERE anonymous_id IS NOT NULL
    UNION SELECT anonymous_id FROM identifies WHERE anonymous_id IS NOT NULL
  ),
  named AS (
    SELECT user_id AS id FROM tracks WHERE user_id IS NOT NULL
    UNION SELECT user_id FROM identifies WHERE user_id IS NOT NULL
    UNION SELECT id FROM users
  ),
  -- Ids that are devices' and nobody's: used as such, or the former id of such a one and used as nothing.
  nobody AS (
    SELECT id FROM device WHERE id NOT IN (SELECT id FROM named)
    UNION SELECT previous_id FROM aliases JOIN nobody ON nobody.id = aliases.user_id
      WHERE previous_id NOT IN (SELECT id FROM named) AND previous_id NOT IN (SELECT id FROM device)
  ),
  known AS (
    SELECT id FROM named
    UNION SELECT user_id FROM aliases WHERE user_id NOT IN (SELECT id FROM nobody)
  ),
  -- Aliases by what their former id is.
  of_device AS (
    SELECT * FROM aliases
    WHERE previous_id IN (SELECT id FROM device) OR previous_id NOT IN (SELECT id FROM known)
  ),
  of_user AS (SELECT * FROM aliases EXCEPT ALL SELECT * FROM of_device),
  mail AS (
    SELECT user_id AS id, lower(btrim(email)) AS email FROM identifies WHERE user_id IS NOT NULL AND email LIKE '%@%'
    UNION SELECT id, lower(btrim(email)) FROM users WHERE email LIKE '%@%'
  ),
  -- Users who are one person: the same e-mail, or an alias of a former user.
  one AS (
    SELECT a.id AS a, b.id AS b FROM mail a JOIN mail b USING (email)
    UNION SELECT previous_id, user_id FROM of_user WHERE user_id IN (SELECT id FROM known)
    UNION SELECT user_id, previous_id FROM of_user WHERE user_id IN (SELECT id FROM known)
  ),
  reach AS (
    SELECT id AS a, id AS b FROM known
    UNION SELECT reach.a, one.b FROM reach JOIN one ON one.a = reach.b
  ),
  person AS (SELECT a AS user_id, min(b COLLATE "C") AS who FROM reach GROUP BY a),
  said AS (
    SELECT anonymous_id, user_id, "timestamp" FROM identifies WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL
    UNION ALL SELECT previous_id, user_id, "timestamp" FROM of_device WHERE user_id IN (SELECT id FROM known)
    UNION ALL SELECT user_id, previous_id, "timestamp" FROM of_user WHERE user_id NOT IN (SELECT id FROM known)
  ),
  used AS (
    SELECT anonymous_id, user_id FROM said
    UNION SELECT anonymous_id, user_id FROM tracks WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL
  ),
  -- Devices that more than one person used; no chain goes through them.
  ours AS (
    SELECT anonymous_id FROM used JOIN person USING (user_id) GROUP BY anonymous_id HAVING count(DISTINCT who) > 1
  ),
  linked AS (
    SELECT previous_id AS a, user_id AS b FROM of_device
    WHERE user_id NOT IN (SELECT id FROM known)
      AND previous_id NOT IN (SELECT anonymous_id FROM ours) AND user_id NOT IN (SELECT anonymous_id FROM ours)
  ),
  chain AS (
    SELECT id AS a, id AS b FROM device
    UNION SELECT chain.a, l.b FROM chain
      JOIN (SELECT a, b FROM linked UNION SELECT b, a FROM linked) l ON l.a = chain.b
  ),
  -- Of a device: everybody who used any of its chain.
  shared AS (
    SELECT chain.a AS anonymous_id FROM chain JOIN used ON used.anonymous_id = chain.b JOIN person USING (user_id)
    GROUP BY chain.a HAVING count(DISTINCT who) > 1
  )
SELECT t.id,
       COALESCE(
         own.who,
         CASE WHEN t.anonymous_id NOT IN (SELECT anonymous_id FROM shared) THEN COALESCE(nx.who, pv.who, ch.who) END,
         'anonymous ' || t.anonymous_id
       ) COLLATE "C" AS whose
FROM tracks t
LEFT JOIN person own ON own.user_id = t.user_id
LEFT JOIN LATERAL (
  SELECT person.who FROM said s JOIN person USING (user_id)
  WHERE s.anonymous_id = t.anonymous_id AND s."timestamp" >= t."timestamp" ORDER BY s."timestamp" LIMIT 1
) nx ON true
LEFT JOIN LATERAL (
  SELECT person.who FROM said s JOIN person USING (user_id)
  WHERE s.anonymous_id = t.anonymous_id AND s."timestamp" < t."timestamp" ORDER BY s."timestamp" DESC LIMIT 1
) pv ON true
LEFT JOIN LATERAL (
  SELECT min(person.who) AS who FROM chain JOIN said s ON s.anonymous_id = chain.b JOIN person USING (user_id)
  WHERE chain.a = t.anonymous_id
) ch ON true
ORDER BY whose, t."timestamp", t.id COLLATE "C"
