-- Rows of stripe_events, and pages that must read few of them (tests/plans/lists.rs).
-- The few rows with another state are the oldest: a scan that begins with the newest row reaches them last.
INSERT INTO stripe_events
   (event_id, create_time, type, livemode, lease_key, state, receive_time, process_time, failure)
SELECT 'evt_' || n, TIME, CASE WHEN n <= 400 AND n % 10 = 0 THEN 'rare.' || state ELSE 'customer.updated' END, false, 'k', state,
       TIME, CASE WHEN state IN ('PROCESSED', 'IGNORED') THEN TIME END,
       CASE WHEN state = 'QUARANTINED' THEN 'why' END
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'PENDING' WHEN n <= 200 THEN 'QUARANTINED' WHEN n <= 300 THEN 'PROCESSED'
                     ELSE 'IGNORED' END AS state) AS s;

EXECUTE stripe_events(NULL, NULL, NULL, NULL, 51);
EXECUTE stripe_events(NULL, NULL, MIDDLE, 5, 51);
EXECUTE stripe_events('{IGNORED}', NULL, MIDDLE, 5, 51);
EXECUTE stripe_events('{IGNORED}', 'customer.updated', NULL, NULL, 51);
EXECUTE stripe_events('{PENDING}', NULL, NULL, NULL, 51);
EXECUTE stripe_events('{PENDING}', 'rare.PENDING', NULL, NULL, 51);
EXECUTE stripe_events('{QUARANTINED}', NULL, NULL, NULL, 51);
EXECUTE stripe_events('{QUARANTINED}', 'none', NULL, NULL, 51);
EXECUTE stripe_events('{PROCESSED}', NULL, NULL, NULL, 51);
EXECUTE stripe_events('{PROCESSED}', 'rare.PROCESSED', NULL, NULL, 51);
EXECUTE stripe_events('{IGNORED}', 'rare.IGNORED', NULL, NULL, 51);
EXECUTE stripe_events('{IGNORED}', 'none', NULL, NULL, 51);
EXECUTE stripe_events('{PENDING,PROCESSED,IGNORED,QUARANTINED}', 'none', NULL, NULL, 51);
EXECUTE stripe_events('{PENDING,PROCESSED,IGNORED,QUARANTINED}', 'rare.PENDING', NULL, NULL, 51);
EXECUTE stripe_events('{PENDING,PROCESSED,IGNORED,QUARANTINED}', 'customer.updated', MIDDLE, 5, 51);
