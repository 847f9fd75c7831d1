-- Rows of refunds, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO refunds
   (refund_id, order_id, stripe_payment_intent_id, stripe_refund_id, state, currency, amount_minor, reason, origin,
    create_time, update_time)
SELECT gen_random_uuid(), lpad(to_hex(n % 400), 32, '0')::uuid, 'pi_' || n, 're_' || n,
       CASE WHEN n <= 100 THEN 'PENDING' ELSE 'SUCCEEDED' END, 'GBP', 1, '', 'STAFF', TIME, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE refunds(NULL, NULL, NULL, NULL, 51);
EXECUTE refunds(NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE refunds('PENDING', NULL, NULL, NULL, 51);
EXECUTE refunds('SUCCEEDED', NULL, NULL, NULL, 51);
EXECUTE refunds(NULL, '00000000-0000-0000-0000-000000000007', NULL, NULL, 51);
EXECUTE refunds('PENDING', '00000000-0000-0000-0000-000000000007', NULL, NULL, 51);
