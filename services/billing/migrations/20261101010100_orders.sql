-- Work that customers paid us to do for them. One order per checkout session, whatever comes how often.
CREATE TABLE orders (
    order_id uuid NOT NULL,
    owner_sub text,
    customer_email text NOT NULL,
    customer_name text NOT NULL,
    stripe_customer_id text,
    stripe_checkout_session_id text,
    stripe_payment_intent_id text,
    tier text NOT NULL,
    payment_state text NOT NULL,
    dispute_state text NOT NULL DEFAULT 'NONE',
    fulfilment_state text,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    paid_minor bigint NOT NULL DEFAULT 0,
    refunded_minor bigint NOT NULL DEFAULT 0,
    revisions_left integer NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    pay_time timestamptz,
    submit_time timestamptz,
    due_time timestamptz,
    overdue_time timestamptz,
    deliver_time timestamptz,
    accept_time timestamptz,
    CONSTRAINT orders_pkey PRIMARY KEY (order_id),
    CONSTRAINT orders_stripe_checkout_session_id_key UNIQUE (stripe_checkout_session_id),
    CONSTRAINT orders_tier CHECK (tier IN ('STARTER', 'PROFESSIONAL', 'ENTERPRISE')),
    CONSTRAINT orders_payment_state CHECK (
        payment_state IN ('PENDING', 'CANCELLED', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED')
    ),
    CONSTRAINT orders_dispute_state CHECK (dispute_state IN ('NONE', 'OPEN', 'WON', 'LOST')),
    CONSTRAINT orders_fulfilment_state CHECK (
        fulfilment_state IN (
            'AWAITING_INTAKE', 'INTAKE_SUBMITTED', 'IN_PROGRESS', 'DELIVERED', 'ACCEPTED', 'REVISION_REQUESTED', 'ENDED'
        )
    ),
    CONSTRAINT orders_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT orders_amount_not_negative CHECK (amount_minor >= 0),
    -- A larger one cannot be shown: JSON numbers hold every integer below 2^53 exactly.
    CONSTRAINT orders_amount_showable CHECK (amount_minor < 9007199254740992),
    CONSTRAINT orders_revisions_not_negative CHECK (revisions_left >= 0),
    -- Whatever claims to be paid says when, and its work has a state; nothing else does.
    CONSTRAINT orders_pay_time CHECK ((payment_state NOT IN ('PENDING', 'CANCELLED')) = (pay_time IS NOT NULL)),
    CONSTRAINT orders_work_is_of_paid CHECK ((pay_time IS NOT NULL) = (fulfilment_state IS NOT NULL)),
    -- Money out is never more than money in, and the state says how much came back.
    CONSTRAINT orders_paid_not_negative CHECK (paid_minor >= 0 AND (paid_minor = 0 OR pay_time IS NOT NULL)),
    CONSTRAINT orders_refunded_was_paid CHECK (refunded_minor BETWEEN 0 AND paid_minor),
    CONSTRAINT orders_refund_state CHECK (
        (payment_state = 'REFUNDED') = (refunded_minor > 0 AND refunded_minor = paid_minor)
        AND (payment_state = 'PARTIALLY_REFUNDED') = (refunded_minor > 0 AND refunded_minor < paid_minor)
    ),
    -- The steps of the work come one after the other.
    CONSTRAINT orders_due_time CHECK ((submit_time IS NULL) = (due_time IS NULL)),
    CONSTRAINT orders_delivered_was_submitted CHECK (deliver_time IS NULL OR submit_time IS NOT NULL),
    CONSTRAINT orders_accepted_was_delivered CHECK (accept_time IS NULL OR deliver_time IS NOT NULL)
);

-- Lists, newest first: all of them, and one customer's.
CREATE INDEX orders_newest ON orders (create_time DESC);
-- What was sold in a time.
CREATE INDEX orders_paid ON orders (pay_time) WHERE pay_time IS NOT NULL;
CREATE INDEX orders_owner_newest ON orders (owner_sub, create_time DESC);
CREATE INDEX orders_email_newest ON orders (customer_email, create_time DESC);
-- The order that a payment paid for.
CREATE INDEX orders_of_payment ON orders (stripe_payment_intent_id);
-- Whether a customer of Stripe's is somebody's.
CREATE INDEX orders_of_stripe_customer ON orders (stripe_customer_id) WHERE stripe_customer_id IS NOT NULL;
-- The schedule that accepts delivered work, and the one that reports overdue work.
CREATE INDEX orders_delivered ON orders (deliver_time) WHERE fulfilment_state = 'DELIVERED';
CREATE INDEX orders_owed ON orders (due_time)
WHERE fulfilment_state IN ('INTAKE_SUBMITTED', 'IN_PROGRESS', 'REVISION_REQUESTED') AND overdue_time IS NULL;

COMMENT ON TABLE orders IS
    'Orders of the "done for you" kind.
    subject: sub owner_sub, email customer_email, stripe stripe_customer_id; erase: pseudonymise; ground: accounts of what was sold are kept for 7 years (Companies Act 2006, section 388, and VAT Regulations 1995, regulation 31); clock: create_time';
COMMENT ON COLUMN orders.order_id IS 'not personal';
COMMENT ON COLUMN orders.owner_sub IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN orders.customer_email IS 'personal: EMAIL; keep: 7y; rectify: yes';
COMMENT ON COLUMN orders.customer_name IS 'personal: NAME; keep: 7y';
COMMENT ON COLUMN orders.stripe_customer_id IS 'personal: IDENTIFIER; keep: 7y';
-- Null from the request of a checkout until Stripe has made the session.
COMMENT ON COLUMN orders.stripe_checkout_session_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN orders.stripe_payment_intent_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN orders.tier IS 'not personal';
COMMENT ON COLUMN orders.payment_state IS 'not personal';
COMMENT ON COLUMN orders.dispute_state IS 'not personal';
COMMENT ON COLUMN orders.fulfilment_state IS 'not personal';
COMMENT ON COLUMN orders.currency IS 'not personal';
COMMENT ON COLUMN orders.amount_minor IS 'not personal';
COMMENT ON COLUMN orders.paid_minor IS 'not personal';
COMMENT ON COLUMN orders.refunded_minor IS 'not personal';
COMMENT ON COLUMN orders.revisions_left IS 'not personal';
COMMENT ON COLUMN orders.create_time IS 'not personal';
COMMENT ON COLUMN orders.update_time IS 'not personal';
COMMENT ON COLUMN orders.pay_time IS 'not personal';
COMMENT ON COLUMN orders.submit_time IS 'not personal';
COMMENT ON COLUMN orders.due_time IS 'not personal';
COMMENT ON COLUMN orders.overdue_time IS 'not personal';
COMMENT ON COLUMN orders.deliver_time IS 'not personal';
COMMENT ON COLUMN orders.accept_time IS 'not personal';
