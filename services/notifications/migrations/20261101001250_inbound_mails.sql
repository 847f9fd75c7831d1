-- Mails that the provider received for us. Nothing of their content is kept here: support gets it, and the provider has the original.
CREATE TABLE inbound_mails (
    inbound_mail_id uuid NOT NULL,
    provider text NOT NULL,
    provider_mail_id text NOT NULL,
    state text NOT NULL DEFAULT 'ANNOUNCED',
    receive_time timestamptz NOT NULL,
    settle_time timestamptz,
    CONSTRAINT inbound_mails_pkey PRIMARY KEY (inbound_mail_id),
    -- However many events tell of a mail, it is one.
    CONSTRAINT inbound_mails_mail UNIQUE (provider, provider_mail_id),
    CONSTRAINT inbound_mails_state CHECK (state IN ('ANNOUNCED', 'FORWARDED', 'GONE')),
    CONSTRAINT inbound_mails_settled CHECK ((state = 'ANNOUNCED') = (settle_time IS NULL))
);

COMMENT ON TABLE inbound_mails IS 'Mails that the provider received for us, and whether support has them.';
COMMENT ON COLUMN inbound_mails.inbound_mail_id IS 'not personal';
COMMENT ON COLUMN inbound_mails.provider IS 'not personal';
COMMENT ON COLUMN inbound_mails.provider_mail_id IS 'not personal';
COMMENT ON COLUMN inbound_mails.state IS 'not personal';
COMMENT ON COLUMN inbound_mails.receive_time IS 'not personal';
COMMENT ON COLUMN inbound_mails.settle_time IS 'not personal';
