-- Rows of suppressions, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO suppressions (suppression_id, recipient_hash, reason, create_time)
SELECT gen_random_uuid(), sha256(convert_to(n::text, 'UTF8')), CASE WHEN n <= 100 THEN 'COMPLAINT' ELSE 'HARD_BOUNCE' END,
       TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE suppressions(NULL, NULL, NULL, NULL, 51);
EXECUTE suppressions(NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE suppressions(sha256('7'), NULL, NULL, NULL, 51);
EXECUTE suppressions(NULL, 'COMPLAINT', NULL, NULL, 51);
EXECUTE suppressions(NULL, 'STAFF', NULL, NULL, 51);
EXECUTE suppressions(sha256('7'), 'HARD_BOUNCE', NULL, NULL, 51);
