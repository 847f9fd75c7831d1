-- Rows of breaches, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO breaches
   (breach_id, state, description, data_kinds, people_count, consequences, measures, aware_time, due_time, exempt_time,
    exempt_reasons, close_time, create_time)
SELECT gen_random_uuid(), state, '', '{}', 0, '', '', TIME, TIME, TIME, '', CASE WHEN state = 'CLOSED' THEN TIME END, TIME
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'OPEN' ELSE 'CLOSED' END AS state) AS s;

EXECUTE breaches(NULL, NULL, NULL, 51);
EXECUTE breaches(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE breaches('OPEN', NULL, NULL, 51);
