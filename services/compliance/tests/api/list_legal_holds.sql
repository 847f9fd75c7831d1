-- Rows of placed_holds, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO placed_holds (hold_id, kind, state, matter, create_time, change_time, release_time)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'LEGAL_HOLD', state, 'matter-' || n % 400, TIME, TIME,
       CASE WHEN state = 'RELEASED' THEN TIME END
FROM generate_series(1, ROWS) AS n,
     LATERAL (SELECT CASE WHEN n <= 100 THEN 'PLACING' ELSE 'RELEASED' END AS state) AS s;
INSERT INTO runtime.holds (hold_row_id, hold_id, kind, email, stands, change_time)
SELECT gen_random_uuid(), hold_id, kind, row_number() OVER () % 400 || '@example.com', false, change_time FROM placed_holds;

EXECUTE placed_holds('LEGAL_HOLD', NULL, '', NULL, NULL, NULL, 51);
EXECUTE placed_holds('LEGAL_HOLD', NULL, '', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE placed_holds('RESTRICTION', NULL, '', NULL, NULL, NULL, 51);
EXECUTE placed_holds('LEGAL_HOLD', 'PLACING', '', NULL, NULL, NULL, 51);
EXECUTE placed_holds('LEGAL_HOLD', NULL, 'matter-7', NULL, NULL, NULL, 51);
EXECUTE placed_holds('LEGAL_HOLD', NULL, '', '7@example.com', NULL, NULL, 51);
EXECUTE placed_holds('LEGAL_HOLD', NULL, '', 'none@example.com', NULL, NULL, 51);
