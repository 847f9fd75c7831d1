-- How fast each provider gets mail, over all replicas: the row lock decides who gets the next slot (src/domain/pace.rs).
CREATE TABLE provider_paces (
    provider text NOT NULL,
    next_slot_time timestamptz NOT NULL,
    next_marketing_try_time timestamptz NOT NULL,
    next_other_try_time timestamptz NOT NULL,
    CONSTRAINT provider_paces_pkey PRIMARY KEY (provider)
);

COMMENT ON TABLE provider_paces IS 'How fast each provider gets mail.';
COMMENT ON COLUMN provider_paces.provider IS 'not personal';
COMMENT ON COLUMN provider_paces.next_slot_time IS 'not personal';
-- When the next mail may come back that gets no slot now: marketing, and other mail.
COMMENT ON COLUMN provider_paces.next_marketing_try_time IS 'not personal';
COMMENT ON COLUMN provider_paces.next_other_try_time IS 'not personal';
