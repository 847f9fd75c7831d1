-- Rows of provider_events, and pages that must read few of them (tests/plans/lists.rs).
-- The messages are those of list_messages.sql.
INSERT INTO provider_events
   (provider_event_id, event_id, provider, type, state, provider_message_id, message_id, failure, receive_time,
    settle_time)
SELECT gen_random_uuid(), 'e_' || n, 'p', CASE WHEN n <= 100 THEN 'rare' ELSE 'email.delivered' END, state, 'id',
       CASE WHEN state = 'APPLIED' THEN (SELECT message_id FROM messages LIMIT 1) END,
       CASE WHEN state = 'QUARANTINED' THEN 'why' END, TIME,
       CASE WHEN state IN ('APPLIED', 'IGNORED', 'UNMATCHED') THEN TIME END
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'PENDING' WHEN n <= 200 THEN 'AWAITING_MESSAGE'
                     WHEN n <= 300 THEN 'QUARANTINED' WHEN n <= 400 THEN 'UNMATCHED' WHEN n <= 500 THEN 'IGNORED'
                     ELSE 'APPLIED' END AS state) AS s;

EXECUTE provider_events(NULL, NULL, NULL, NULL, 51);
EXECUTE provider_events(NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE provider_events('APPLIED', NULL, NULL, NULL, 51);
EXECUTE provider_events('PENDING', NULL, NULL, NULL, 51);
EXECUTE provider_events('AWAITING_MESSAGE', NULL, NULL, NULL, 51);
EXECUTE provider_events('QUARANTINED', NULL, NULL, NULL, 51);
EXECUTE provider_events('UNMATCHED', NULL, NULL, NULL, 51);
EXECUTE provider_events('IGNORED', NULL, NULL, NULL, 51);
EXECUTE provider_events(NULL, 'rare', NULL, NULL, 51);
EXECUTE provider_events(NULL, 'none', NULL, NULL, 51);
EXECUTE provider_events('APPLIED', 'email.delivered', NULL, NULL, 51);
