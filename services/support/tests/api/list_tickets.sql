-- Rows of tickets, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO tickets
   (ticket_id, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin, assignee,
    open_since, first_reply_due_time, create_time, update_time, mail_token)
SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', true, 'S', state,
       'STARTER', 'CUSTOMER', 'staff-' || n % 400, CASE WHEN state = 'OPEN' THEN TIME END, TIME, TIME, TIME, md5(n::text)
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'OPEN' WHEN n <= 200 THEN 'PENDING' ELSE 'CLOSED' END AS state) AS s;

EXECUTE tickets(true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL);
EXECUTE tickets(true, NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL);
EXECUTE tickets(true, NULL, NULL, 'OPEN', NULL, NULL, NULL, NULL, 51, NULL);
EXECUTE tickets(true, NULL, NULL, 'PENDING', NULL, NULL, NULL, NULL, 51, NULL);
EXECUTE tickets(true, NULL, NULL, NULL, '7@example.com', NULL, NULL, NULL, 51, NULL);
EXECUTE tickets(true, NULL, NULL, NULL, NULL, 'staff-7', NULL, NULL, 51, NULL);
EXECUTE tickets(false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51, NULL);
EXECUTE tickets(false, 'sub-7', '7@example.com', NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL);
EXECUTE tickets(true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, 'zeppelin');
EXECUTE tickets(false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51, 'zeppelin');
