-- The people who buy, each with the one customer that they are at Stripe.
CREATE TABLE customers (
    customer_id uuid NOT NULL,
    owner_sub text NOT NULL,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    stripe_customer_id text,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT customers_pkey PRIMARY KEY (customer_id),
    CONSTRAINT customers_owner_sub_key UNIQUE (owner_sub),
    CONSTRAINT customers_stripe_customer_id_key UNIQUE (stripe_customer_id)
);

COMMENT ON TABLE customers IS
    'The people who buy, and their customers at Stripe.
    subject: sub owner_sub, account email, stripe stripe_customer_id; erase: delete';
COMMENT ON COLUMN customers.customer_id IS 'not personal';
COMMENT ON COLUMN customers.owner_sub IS 'personal: IDENTIFIER; keep: until erasure';
COMMENT ON COLUMN customers.email IS 'personal: EMAIL; keep: until erasure';
COMMENT ON COLUMN customers.name IS 'personal: NAME; keep: until erasure';
-- Null until Stripe has made the customer, and after it was deleted there.
COMMENT ON COLUMN customers.stripe_customer_id IS 'personal: IDENTIFIER; keep: until erasure';
COMMENT ON COLUMN customers.create_time IS 'not personal';
COMMENT ON COLUMN customers.update_time IS 'not personal';
