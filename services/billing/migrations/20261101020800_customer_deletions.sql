-- Customers at Stripe of people who were erased: stored in the transaction that completes the erasure, and deleted at Stripe after it.
CREATE TABLE customer_deletions (
    customer_deletion_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    stripe_customer_id text NOT NULL,
    state text NOT NULL DEFAULT 'REQUESTED',
    due_time timestamptz NOT NULL,
    failure text,
    create_time timestamptz NOT NULL,
    CONSTRAINT customer_deletions_pkey PRIMARY KEY (customer_deletion_id),
    CONSTRAINT customer_deletions_customer UNIQUE (stripe_customer_id),
    CONSTRAINT customer_deletions_state CHECK (state IN ('REQUESTED', 'DELETED'))
);

-- What is to be done now.
CREATE INDEX customer_deletions_due ON customer_deletions (due_time);

-- The erasure counts these rows as left, and does not erase them: it is complete once Stripe has deleted the customer.
COMMENT ON TABLE customer_deletions IS
    'Customers at Stripe that are being deleted.
    subject: stripe stripe_customer_id; erase: delete; once: false';
COMMENT ON COLUMN customer_deletions.customer_deletion_id IS 'not personal';
COMMENT ON COLUMN customer_deletions.erasure_id IS 'not personal';
COMMENT ON COLUMN customer_deletions.stripe_customer_id IS 'personal: IDENTIFIER; keep: 90d';
-- DELETED: Stripe has no such customer any more. The row is there for some more minutes, until Stripe's event about it has come.
COMMENT ON COLUMN customer_deletions.state IS 'not personal';
COMMENT ON COLUMN customer_deletions.due_time IS 'not personal';
-- Stripe's name of its last refusal.
COMMENT ON COLUMN customer_deletions.failure IS 'not personal';
COMMENT ON COLUMN customer_deletions.create_time IS 'not personal';
