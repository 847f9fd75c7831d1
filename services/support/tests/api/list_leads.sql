-- Rows of leads, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO leads
   (lead_id, kind, email, name, phone, company, message, details, source, score, marketing_consent, create_time)
SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'KICKOFF' ELSE 'SALES' END, n % 400 || '@example.com', '', '', '', '',
       '', '', 0, false, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE leads(NULL, NULL, NULL, 51);
EXECUTE leads(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE leads('KICKOFF', NULL, NULL, 51);
