-- Requests that change something at Stripe. Each is stored before it is made, with what is posted and the idempotency key that it
-- is posted under, so that after a crash or an outage the same request is made again, and Stripe does it once.
CREATE TABLE stripe_operations (
    operation_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    about uuid NOT NULL,
    path text NOT NULL,
    form text,
    attempt integer NOT NULL DEFAULT 0,
    owner_sub text,
    request_key text,
    request_hash bytea,
    stripe_object_id text,
    url text,
    expire_time timestamptz,
    failure text,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT stripe_operations_pkey PRIMARY KEY (operation_id),
    -- A customer who asks twice under one key has asked once.
    CONSTRAINT stripe_operations_request_key UNIQUE (owner_sub, request_key),
    CONSTRAINT stripe_operations_kind CHECK (
        kind IN (
            'CUSTOMER', 'CUSTOMER_UPDATE', 'CHECKOUT', 'CHECKOUT_EXPIRY', 'SUBSCRIPTION_UPDATE', 'SUBSCRIPTION_END', 'REFUND'
        )
    ),
    CONSTRAINT stripe_operations_state CHECK (state IN ('REQUESTED', 'DONE', 'REFUSED')),
    CONSTRAINT stripe_operations_attempt CHECK (attempt >= 0),
    -- What is still to be done can be done, and what was refused says why.
    CONSTRAINT stripe_operations_form CHECK (form IS NOT NULL OR state <> 'REQUESTED'),
    CONSTRAINT stripe_operations_failure CHECK ((state = 'REFUSED') = (failure IS NOT NULL)),
    CONSTRAINT stripe_operations_key_and_hash CHECK ((request_key IS NULL) = (request_hash IS NULL))
);

-- What is to be finished, and what an order, a subscription or a refund waits for.
CREATE INDEX stripe_operations_requested ON stripe_operations (update_time) WHERE state = 'REQUESTED';
CREATE INDEX stripe_operations_about ON stripe_operations (about, create_time DESC);

COMMENT ON TABLE stripe_operations IS
    'Requests that change something at Stripe, stored before they are made.
    subject: sub owner_sub, about of orders.order_id, about of subscriptions.subscription_id, about of customers.customer_id; erase: pseudonymise; once: state <> ''REQUESTED''; end: failure = CASE state WHEN ''REQUESTED'' THEN ''the person was erased'' ELSE failure END, state = CASE state WHEN ''REQUESTED'' THEN ''REFUSED'' ELSE state END; clock: create_time';
COMMENT ON COLUMN stripe_operations.operation_id IS 'not personal';
COMMENT ON COLUMN stripe_operations.kind IS 'not personal';
COMMENT ON COLUMN stripe_operations.state IS 'not personal';
COMMENT ON COLUMN stripe_operations.about IS 'not personal';
COMMENT ON COLUMN stripe_operations.path IS 'personal: PAYMENT; keep: 7y';
-- Null once the request was made.
COMMENT ON COLUMN stripe_operations.form IS 'personal: PAYMENT; keep: 90d';
COMMENT ON COLUMN stripe_operations.attempt IS 'not personal';
COMMENT ON COLUMN stripe_operations.owner_sub IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN stripe_operations.request_key IS 'not personal';
COMMENT ON COLUMN stripe_operations.request_hash IS 'not personal';
COMMENT ON COLUMN stripe_operations.stripe_object_id IS 'personal: PAYMENT; keep: 7y';
COMMENT ON COLUMN stripe_operations.url IS 'personal: PAYMENT; keep: 90d';
COMMENT ON COLUMN stripe_operations.expire_time IS 'not personal';
COMMENT ON COLUMN stripe_operations.failure IS 'not personal';
COMMENT ON COLUMN stripe_operations.create_time IS 'not personal';
COMMENT ON COLUMN stripe_operations.update_time IS 'not personal';
