-- Rows of incidents, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO incidents (incident_id, kind, state, title, report, components, start_time, create_time)
SELECT gen_random_uuid(), 'INCIDENT', CASE WHEN n <= 100 THEN 'REPORTED' ELSE 'RESOLVED' END, '', '', '{}', TIME, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE incidents(NULL, NULL, NULL, 51);
EXECUTE incidents(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE incidents('REPORTED', NULL, NULL, 51);
