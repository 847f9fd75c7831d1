-- Rows of orders, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO orders
   (order_id, owner_sub, customer_email, customer_name, stripe_checkout_session_id, tier, payment_state, fulfilment_state,
    currency, amount_minor, revisions_left, create_time, update_time, pay_time)
SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', 'cs_' || n,
       'STARTER', 'PAID', 'AWAITING_INTAKE', 'EUR', 1, 1, TIME, TIME, TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE orders(true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL, NULL);
EXECUTE orders(true, NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL, NULL);
EXECUTE orders(true, NULL, NULL, 'PAID', NULL, NULL, NULL, NULL, 51, NULL, NULL);
EXECUTE orders(true, NULL, NULL, 'PAID', NULL, NULL, NULL, NULL, 51, 'AWAITING_INTAKE', NULL);
EXECUTE orders(true, NULL, NULL, NULL, '7@example.com', NULL, NULL, NULL, 51, NULL, NULL);
EXECUTE orders(true, NULL, NULL, NULL, NULL, 'cs_7', NULL, NULL, 51, NULL, NULL);
EXECUTE orders(true, NULL, NULL, NULL, NULL, 'cs_none', NULL, NULL, 51, NULL, NULL);
EXECUTE orders(false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51, NULL, NULL);
EXECUTE orders(false, 'sub-7', '7@example.com', 'CANCELLED', NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL, NULL);
EXECUTE orders(true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL, 'sub-7');
