-- Rows of conversations, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO conversations
   (conversation_id, owner_sub, customer_email, customer_name, customer_verified, state, turn_count, message_count,
    create_time, update_time)
SELECT gen_random_uuid(), 'sub-' || n % 400, n % 400 || '@example.com', '', true,
       CASE WHEN n <= 100 THEN 'WITH_PERSON' ELSE 'WITH_ASSISTANT' END, 0, 0, TIME, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE conversations(NULL, NULL, NULL, NULL, 51);
EXECUTE conversations(NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE conversations('WITH_PERSON', NULL, NULL, NULL, 51);
EXECUTE conversations(NULL, '7@example.com', NULL, NULL, 51);
EXECUTE conversations('WITH_ASSISTANT', '7@example.com', NULL, NULL, 51);
