-- Rows of privacy_complaints, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO privacy_complaints
   (privacy_complaint_id, owner_sub, email, text, origin, state, receive_time, acknowledge_due_time, acknowledge_time,
    answer_time, create_time)
SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', 'ACCOUNT', state, TIME,
       TIME, CASE WHEN state = 'ANSWERED' THEN TIME END, CASE WHEN state = 'ANSWERED' THEN TIME END, TIME
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'RECEIVED' ELSE 'ANSWERED' END AS state) AS s;

EXECUTE privacy_complaints(true, NULL, NULL, NULL, NULL, NULL, 51, NULL);
EXECUTE privacy_complaints(true, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL);
EXECUTE privacy_complaints(true, NULL, NULL, 'RECEIVED', NULL, NULL, 51, NULL);
EXECUTE privacy_complaints(true, NULL, NULL, NULL, NULL, NULL, 51, '7@example.com');
EXECUTE privacy_complaints(true, NULL, NULL, 'RECEIVED', NULL, NULL, 51, '7@example.com');
EXECUTE privacy_complaints(false, 'sub-7', '7@example.com', NULL, NULL, NULL, 51, NULL);
EXECUTE privacy_complaints(false, 'sub-7', '7@example.com', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL);
