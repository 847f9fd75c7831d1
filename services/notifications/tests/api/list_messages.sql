-- Rows of messages, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO messages
   (message_id, template, template_version, about, recipient_hash, class, category, requested_by, sender, subject,
    body_text, body_html, state,
    provider, provider_message_id, failure, doubt, create_time, send_time, delivery_outcome, delivery_outcome_time)
SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'rare' ELSE 'welcome' END, 1, 'orders/' || n,
       sha256(convert_to((n % 400)::text, 'UTF8')), 'TRANSACTIONAL', 'ORDERS', '', '', '', '', '', state,
       CASE WHEN state = 'SENT' THEN 'p' END, CASE WHEN state = 'SENT' THEN 'id_' || n END,
       CASE WHEN state = 'FAILED' THEN 'why' END, CASE WHEN state = 'IN_DOUBT' THEN 'why' END, TIME,
       CASE WHEN state = 'SENT' THEN TIME END, CASE WHEN state = 'SENT' THEN outcome END,
       CASE WHEN state = 'SENT' THEN TIME END
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'PENDING' WHEN n <= 200 THEN 'IN_DOUBT' WHEN n <= 300 THEN 'FAILED'
                     ELSE 'SENT' END AS state,
                     CASE WHEN n <= 400 THEN 'COMPLAINED' ELSE 'DELIVERED' END AS outcome) AS s;

EXECUTE messages(NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE messages(sha256('7'), NULL, NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, 'welcome', NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, 'rare', NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, 'none', NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, 'orders/7', NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, 'orders/none', NULL, NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, 'PENDING', NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, 'IN_DOUBT', NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, 'FAILED', NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, 'SENT', NULL, NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, NULL, 'COMPLAINED', NULL, NULL, 51);
EXECUTE messages(NULL, NULL, NULL, NULL, 'BOUNCED_HARD', NULL, NULL, 51);
EXECUTE messages(NULL, 'welcome', NULL, 'SENT', 'DELIVERED', MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
