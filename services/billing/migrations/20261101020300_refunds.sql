-- Refunds: those that we make, stored before they are made, and those that somebody made at Stripe.
CREATE TABLE refunds (
    refund_id uuid NOT NULL,
    order_id uuid,
    stripe_payment_intent_id text,
    stripe_refund_id text,
    state text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    origin text NOT NULL,
    failure text,
    told boolean NOT NULL DEFAULT false,
    made_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT refunds_pkey PRIMARY KEY (refund_id),
    CONSTRAINT refunds_stripe_refund_id_key UNIQUE (stripe_refund_id),
    CONSTRAINT refunds_state CHECK (state IN ('REQUESTED', 'PENDING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    CONSTRAINT refunds_origin CHECK (origin IN ('STAFF', 'CUSTOMER', 'STRIPE')),
    CONSTRAINT refunds_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT refunds_amount CHECK (amount_minor > 0 AND amount_minor < 9007199254740992),
    -- Whatever claims that the money is on its way has Stripe's id of it.
    CONSTRAINT refunds_evidence CHECK (stripe_refund_id IS NOT NULL OR state IN ('REQUESTED', 'FAILED'))
);

CREATE INDEX refunds_newest ON refunds (create_time DESC);
CREATE INDEX refunds_state_newest ON refunds (state, create_time DESC);
CREATE INDEX refunds_of_payment ON refunds (stripe_payment_intent_id);
CREATE INDEX refunds_of_order ON refunds (order_id, create_time DESC);

COMMENT ON TABLE refunds IS
    'Money that goes back to customers.
    subject: order_id of orders.order_id, refund_id of withdrawal_refunds.refund_id; erase: pseudonymise; ground: accounts of what was sold are kept for 7 years (Companies Act 2006, section 388, and VAT Regulations 1995, regulation 31); clock: create_time';
COMMENT ON COLUMN refunds.refund_id IS 'not personal';
-- Null if the payment was not for an order that we know.
COMMENT ON COLUMN refunds.order_id IS 'not personal';
COMMENT ON COLUMN refunds.stripe_payment_intent_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN refunds.stripe_refund_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN refunds.state IS 'not personal';
COMMENT ON COLUMN refunds.currency IS 'not personal';
COMMENT ON COLUMN refunds.amount_minor IS 'not personal';
COMMENT ON COLUMN refunds.reason IS 'personal: MESSAGE; keep: 7y';
COMMENT ON COLUMN refunds.origin IS 'not personal';
COMMENT ON COLUMN refunds.failure IS 'not personal';
-- Whether the order's history and the customer have been told that the money is back.
COMMENT ON COLUMN refunds.told IS 'not personal';
COMMENT ON COLUMN refunds.made_time IS 'not personal';
COMMENT ON COLUMN refunds.create_time IS 'not personal';
COMMENT ON COLUMN refunds.update_time IS 'not personal';
