-- Subscriptions: Stripe's state, mirrored, beside what our checkout knew before Stripe had one.
CREATE TABLE subscriptions (
    subscription_id uuid NOT NULL,
    owner_sub text,
    customer_email text NOT NULL,
    customer_name text NOT NULL,
    stripe_customer_id text,
    stripe_subscription_id text,
    stripe_checkout_session_id text,
    state text NOT NULL,
    plan text NOT NULL,
    term text NOT NULL,
    add_ons text[] NOT NULL,
    bought_plan text NOT NULL,
    bought_term text NOT NULL,
    bought_add_ons text[] NOT NULL,
    start_at_once boolean,
    terms_version text NOT NULL,
    start_time timestamptz,
    trial_end_time timestamptz,
    period_start_time timestamptz,
    period_end_time timestamptz,
    cancel_time timestamptz,
    end_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (subscription_id),
    CONSTRAINT subscriptions_stripe_subscription_id_key UNIQUE (stripe_subscription_id),
    CONSTRAINT subscriptions_stripe_checkout_session_id_key UNIQUE (stripe_checkout_session_id),
    CONSTRAINT subscriptions_state CHECK (
        state IN (
            'PENDING', 'ABANDONED', 'INCOMPLETE', 'INCOMPLETE_EXPIRED', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'UNPAID',
            'PAUSED', 'CANCELED'
        )
    ),
    CONSTRAINT subscriptions_plan CHECK (plan IN ('STARTER', 'GROWTH', 'PRO', 'BUSINESS')),
    CONSTRAINT subscriptions_term CHECK (term IN ('MONTHLY', 'YEARLY')),
    CONSTRAINT subscriptions_add_ons CHECK (add_ons <@ ARRAY['PRIORITY_SUPPORT', 'SLA_99_9', 'WHITE_LABEL']),
    -- Before Stripe has a subscription the state is ours, and after that it is Stripe's.
    CONSTRAINT subscriptions_known_to_stripe CHECK (
        (stripe_subscription_id IS NULL) = (state IN ('PENDING', 'ABANDONED'))
    )
);

-- A customer's own, those that have not ended first; and those of an address that nobody has claimed.
CREATE INDEX subscriptions_owner_open_first ON subscriptions (
    owner_sub, (state IN ('ABANDONED', 'INCOMPLETE_EXPIRED', 'CANCELED')), create_time DESC
);
CREATE INDEX subscriptions_email_open_first ON subscriptions (
    customer_email, (state IN ('ABANDONED', 'INCOMPLETE_EXPIRED', 'CANCELED')), create_time DESC
);
-- Whether a customer of Stripe's is somebody's.
CREATE INDEX subscriptions_of_stripe_customer ON subscriptions (stripe_customer_id) WHERE stripe_customer_id IS NOT NULL;

COMMENT ON TABLE subscriptions IS
    'Subscriptions, as Stripe says.
    subject: sub owner_sub, email customer_email, stripe stripe_customer_id; erase: pseudonymise; ground: accounts of what was sold are kept for 7 years (Companies Act 2006, section 388, and VAT Regulations 1995, regulation 31); clock: update_time';
COMMENT ON COLUMN subscriptions.subscription_id IS 'not personal';
COMMENT ON COLUMN subscriptions.owner_sub IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN subscriptions.customer_email IS 'personal: EMAIL; keep: 7y';
COMMENT ON COLUMN subscriptions.customer_name IS 'personal: NAME; keep: 7y';
COMMENT ON COLUMN subscriptions.stripe_customer_id IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN subscriptions.stripe_subscription_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN subscriptions.stripe_checkout_session_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN subscriptions.state IS 'not personal';
COMMENT ON COLUMN subscriptions.plan IS 'not personal';
COMMENT ON COLUMN subscriptions.term IS 'not personal';
COMMENT ON COLUMN subscriptions.add_ons IS 'not personal';
COMMENT ON COLUMN subscriptions.bought_plan IS 'not personal';
COMMENT ON COLUMN subscriptions.bought_term IS 'not personal';
COMMENT ON COLUMN subscriptions.bought_add_ons IS 'not personal';
COMMENT ON COLUMN subscriptions.start_at_once IS 'not personal';
COMMENT ON COLUMN subscriptions.terms_version IS 'not personal';
COMMENT ON COLUMN subscriptions.start_time IS 'not personal';
COMMENT ON COLUMN subscriptions.trial_end_time IS 'not personal';
COMMENT ON COLUMN subscriptions.period_start_time IS 'not personal';
COMMENT ON COLUMN subscriptions.period_end_time IS 'not personal';
COMMENT ON COLUMN subscriptions.cancel_time IS 'not personal';
COMMENT ON COLUMN subscriptions.end_time IS 'not personal';
COMMENT ON COLUMN subscriptions.create_time IS 'not personal';
COMMENT ON COLUMN subscriptions.update_time IS 'not personal';
COMMENT ON COLUMN subscriptions.version IS 'not personal';
