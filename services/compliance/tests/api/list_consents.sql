-- Rows of declarations, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO declarations
   (declaration_id, kind, scope, given, owner_sub, email, version, text_sha256, source, by_signal, declare_time)
SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'OBJECTION' ELSE 'CONSENT' END, 'ANALYTICS', true,
       CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', '', '', false, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE declarations(true, NULL, NULL, NULL, NULL, NULL, 51, 'CONSENT');
EXECUTE declarations(true, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, 'CONSENT');
EXECUTE declarations(true, NULL, NULL, NULL, NULL, NULL, 51, 'OBJECTION');
EXECUTE declarations(true, NULL, NULL, '7@example.com', NULL, NULL, 51, 'CONSENT');
EXECUTE declarations(false, 'sub-7', '7@example.com', NULL, NULL, NULL, 51, 'CONSENT');
EXECUTE declarations(false, 'sub-7', '7@example.com', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, 'CONSENT');
