-- Work that customers paid us to do for them. One order per checkout session, whatever comes how often.
CREATE TABLE orders (
    order_id uuid NOT NULL,
    owner_sub text,
    customer_email text NOT NULL,
    customer_name text NOT NULL,
    stripe_customer_id text,
    stripe_checkout_session_id text NOT NULL,
    stripe_payment_intent_id text,
    tier text NOT NULL,
    state text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    revisions_left integer NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    pay_time timestamptz,
    CONSTRAINT orders_pkey PRIMARY KEY (order_id),
    CONSTRAINT orders_stripe_checkout_session_id_key UNIQUE (stripe_checkout_session_id),
    CONSTRAINT orders_tier CHECK (tier IN ('STARTER', 'PROFESSIONAL', 'ENTERPRISE')),
    CONSTRAINT orders_state CHECK (state IN ('PENDING_PAYMENT', 'PAID', 'CANCELLED')),
    CONSTRAINT orders_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT orders_amount_not_negative CHECK (amount_minor >= 0),
    -- A larger one cannot be shown: JSON numbers hold every integer below 2^53 exactly.
    CONSTRAINT orders_amount_showable CHECK (amount_minor < 9007199254740992),
    CONSTRAINT orders_revisions_not_negative CHECK (revisions_left >= 0),
    -- Whatever claims to be paid says when, and nothing else does.
    CONSTRAINT orders_pay_time CHECK ((state = 'PAID') = (pay_time IS NOT NULL))
);

-- Lists, newest first: all of them, and one customer's.
CREATE INDEX orders_newest ON orders (create_time DESC);
CREATE INDEX orders_owner_newest ON orders (owner_sub, create_time DESC);
CREATE INDEX orders_email_newest ON orders (customer_email, create_time DESC);

COMMENT ON TABLE orders IS 'Orders of the "done for you" kind.';
COMMENT ON COLUMN orders.order_id IS 'not personal';
COMMENT ON COLUMN orders.owner_sub IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN orders.customer_email IS 'personal: EMAIL; keep: 7y';
COMMENT ON COLUMN orders.customer_name IS 'personal: NAME; keep: 7y';
COMMENT ON COLUMN orders.stripe_customer_id IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN orders.stripe_checkout_session_id IS 'personal: PAYMENT; keep: 7y';
COMMENT ON COLUMN orders.stripe_payment_intent_id IS 'personal: PAYMENT; keep: 7y';
COMMENT ON COLUMN orders.tier IS 'not personal';
COMMENT ON COLUMN orders.state IS 'not personal';
COMMENT ON COLUMN orders.currency IS 'not personal';
COMMENT ON COLUMN orders.amount_minor IS 'not personal';
COMMENT ON COLUMN orders.revisions_left IS 'not personal';
COMMENT ON COLUMN orders.create_time IS 'not personal';
COMMENT ON COLUMN orders.update_time IS 'not personal';
COMMENT ON COLUMN orders.pay_time IS 'not personal';
