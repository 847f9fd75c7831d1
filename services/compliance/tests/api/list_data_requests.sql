-- Rows of data_requests, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO data_requests
   (data_request_id, owner_sub, email, entitlement, origin, state, subject, create_time, due_time, finish_time)
SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', 'ACCESS', 'ACCOUNT',
       state, '{}', TIME, TIME, CASE WHEN state = 'DONE' THEN TIME END
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'RECEIVED' ELSE 'DONE' END AS state) AS s;

EXECUTE data_requests(true, NULL, NULL, NULL, NULL, NULL, 51, NULL);
EXECUTE data_requests(true, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL);
EXECUTE data_requests(true, NULL, NULL, 'RECEIVED', NULL, NULL, 51, NULL);
EXECUTE data_requests(true, NULL, NULL, NULL, NULL, NULL, 51, '7@example.com');
EXECUTE data_requests(true, NULL, NULL, 'RECEIVED', NULL, NULL, 51, '7@example.com');
EXECUTE data_requests(false, 'sub-7', '7@example.com', NULL, NULL, NULL, 51, NULL);
EXECUTE data_requests(false, 'sub-7', '7@example.com', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL);
