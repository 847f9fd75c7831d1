-- Disputes: payments that a customer asked their bank to take back.
CREATE TABLE disputes (
    stripe_dispute_id text NOT NULL,
    stripe_payment_intent_id text,
    stripe_customer_id text,
    state text NOT NULL,
    is_inquiry boolean NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    due_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT disputes_pkey PRIMARY KEY (stripe_dispute_id),
    CONSTRAINT disputes_state CHECK (state IN ('OPEN', 'WON', 'LOST')),
    CONSTRAINT disputes_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE INDEX disputes_of_payment ON disputes (stripe_payment_intent_id);
CREATE INDEX disputes_of_customer ON disputes (stripe_customer_id);

COMMENT ON TABLE disputes IS
    'Payments that customers dispute at their banks.
    subject: stripe stripe_customer_id, stripe_payment_intent_id of orders.stripe_payment_intent_id; erase: pseudonymise; ground: accounts of what was sold are kept for 7 years (Companies Act 2006, section 388, and VAT Regulations 1995, regulation 31); clock: create_time';
COMMENT ON COLUMN disputes.stripe_dispute_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN disputes.stripe_payment_intent_id IS 'personal: PAYMENT; keep: 7y; erase: keep';
COMMENT ON COLUMN disputes.stripe_customer_id IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN disputes.state IS 'not personal';
COMMENT ON COLUMN disputes.is_inquiry IS 'not personal';
COMMENT ON COLUMN disputes.currency IS 'not personal';
COMMENT ON COLUMN disputes.amount_minor IS 'not personal';
COMMENT ON COLUMN disputes.reason IS 'not personal';
COMMENT ON COLUMN disputes.due_time IS 'not personal';
COMMENT ON COLUMN disputes.create_time IS 'not personal';
COMMENT ON COLUMN disputes.update_time IS 'not personal';
