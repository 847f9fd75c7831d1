-- Rows of retention_reports, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO retention_reports (retention_report_id, service, state, outcomes, create_time)
SELECT gen_random_uuid(), 'billing', CASE WHEN n <= 100 THEN 'UNANSWERED' ELSE 'COMPLETE' END, '[]', TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE retention_reports(NULL, NULL, NULL, 51);
EXECUTE retention_reports(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE retention_reports('UNANSWERED', NULL, NULL, 51);
