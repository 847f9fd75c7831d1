-- Rows of runtime.work, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, state, due_time, create_time)
SELECT gen_random_uuid(), 'a.B', '', n::text, CASE WHEN n > ROWS - 100 THEN 'DEAD' ELSE 'WAITING' END, TIME, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE runtime.work(NULL, NULL, NULL, 51);
EXECUTE runtime.work(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE runtime.work('WAITING', NULL, NULL, 51);
EXECUTE runtime.work('DEAD', NULL, NULL, 51);
