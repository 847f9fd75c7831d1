-- Rows of operator_notices, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO operator_notices
   (operator_notice_id, kind, severity, about, text, source, times, create_time, last_report_time, end_time)
SELECT gen_random_uuid(), 'NEW_ORDER', 'INFO', n::text, '', '', 1, TIME, TIME, CASE WHEN n > 100 THEN TIME END
FROM generate_series(1, ROWS) AS n;

EXECUTE operator_notices(NULL, NULL, NULL, 51);
EXECUTE operator_notices(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE operator_notices(true, NULL, NULL, 51);
EXECUTE operator_notices(false, NULL, NULL, 51);
