-- Rows of runtime.audit_entries, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO runtime.audit_entries (sequence, record_time, actor, action, ids, previous_hash, hash)
SELECT n, TIME, 'actor-' || n % 400, CASE WHEN n <= 100 THEN 'order.rare' ELSE 'order.read' END, '{}', '', ''
FROM generate_series(1, ROWS) AS n;

EXECUTE runtime.audit_entries(NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE runtime.audit_entries(NULL, NULL, NULL, NULL, NULL, MIDDLE, 9, 51);
EXECUTE runtime.audit_entries(NULL, NULL, NULL, NULL, MIDDLE, NULL, NULL, 51);
EXECUTE runtime.audit_entries(NULL, 'order.rare', NULL, NULL, NULL, NULL, NULL, 51);
EXECUTE runtime.audit_entries(NULL, 'order.read', NULL, NULL, NULL, MIDDLE, 9, 51);
