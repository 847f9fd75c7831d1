-- Deleted customers whose data Stripe is asked to redact, if LEVQOR_STRIPE_REDACTION_VERSION is set. Stripe redacts a customer only once
-- their payments are old enough, which may take months.
CREATE TABLE customer_redactions (
    customer_redaction_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    stripe_customer_id text NOT NULL,
    job_id text,
    attempts integer NOT NULL DEFAULT 0,
    due_time timestamptz NOT NULL,
    failure text,
    create_time timestamptz NOT NULL,
    CONSTRAINT customer_redactions_pkey PRIMARY KEY (customer_redaction_id),
    CONSTRAINT customer_redactions_customer UNIQUE (stripe_customer_id),
    CONSTRAINT customer_redactions_attempts CHECK (attempts >= 0)
);

-- What is to be done now.
CREATE INDEX customer_redactions_due ON customer_redactions (due_time);

COMMENT ON TABLE customer_redactions IS
    'Deleted customers at Stripe whose data is being redacted there.
    subject: stripe stripe_customer_id; erase: keep; ground: Stripe redacts what it holds of an erased person only by this id, and the row goes with the redaction (GDPR, article 19)';
COMMENT ON COLUMN customer_redactions.customer_redaction_id IS 'not personal';
COMMENT ON COLUMN customer_redactions.erasure_id IS 'not personal';
COMMENT ON COLUMN customer_redactions.stripe_customer_id IS 'personal: IDENTIFIER; keep: 2y; erase: keep';
-- Stripe's id of the redaction job. Null until Stripe has taken it.
COMMENT ON COLUMN customer_redactions.job_id IS 'not personal';
-- How often it was asked for: part of the idempotency key.
COMMENT ON COLUMN customer_redactions.attempts IS 'not personal';
COMMENT ON COLUMN customer_redactions.due_time IS 'not personal';
-- Why it is not done yet.
COMMENT ON COLUMN customer_redactions.failure IS 'not personal';
COMMENT ON COLUMN customer_redactions.create_time IS 'not personal';
