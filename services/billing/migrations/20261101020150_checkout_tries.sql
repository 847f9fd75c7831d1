-- When each customer tried to check out: three tries a minute are allowed. A try that failed counts too, so that promotion codes
-- cannot be guessed.
CREATE TABLE checkout_tries (
    owner_sub text NOT NULL,
    try_key text NOT NULL,
    create_time timestamptz NOT NULL,
    -- The same request under the same idempotency key is the same try.
    CONSTRAINT checkout_tries_pkey PRIMARY KEY (owner_sub, try_key)
);

COMMENT ON TABLE checkout_tries IS
    'When customers tried to check out.
    subject: sub owner_sub; erase: delete; clock: create_time';
COMMENT ON COLUMN checkout_tries.owner_sub IS 'personal: IDENTIFIER; keep: 90d';
COMMENT ON COLUMN checkout_tries.try_key IS 'not personal';
COMMENT ON COLUMN checkout_tries.create_time IS 'not personal';
