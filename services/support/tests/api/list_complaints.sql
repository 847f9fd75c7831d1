-- Rows of complaints, and pages that must read few of them (tests/plans/lists.rs).
-- All are about one ticket.
INSERT INTO tickets
   (ticket_id, customer_email, customer_name, customer_verified, subject, state, plan, origin, first_reply_due_time, create_time,
    update_time, mail_token)
SELECT gen_random_uuid(), 'a@example.com', '', true, 'S', 'CLOSED', 'STARTER', 'CUSTOMER', TIME, TIME, TIME, md5('a')
FROM generate_series(1, 1) AS n;
INSERT INTO complaints
   (complaint_id, ticket_id, category, acknowledge_due_time, answer_due_time, answer_time, create_time)
SELECT gen_random_uuid(), (SELECT ticket_id FROM tickets LIMIT 1), 'OTHER', TIME, TIME, CASE WHEN n > 100 THEN TIME END,
       TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE complaints(false, NULL, NULL, 51);
EXECUTE complaints(false, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE complaints(true, NULL, NULL, 51);
