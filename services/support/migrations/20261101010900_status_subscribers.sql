-- Who gets news of incidents by mail. An address that has not confirmed gets none. The token stands in every mail, so it is kept as it is;
-- all that it can do is to confirm or to end this one subscription.
CREATE TABLE status_subscribers (
    subscriber_id uuid NOT NULL,
    email text NOT NULL,
    token text NOT NULL,
    ask_count integer NOT NULL,
    ask_time timestamptz NOT NULL,
    confirm_time timestamptz,
    create_time timestamptz NOT NULL,
    -- When an address that has not confirmed was asked last. A confirmed one has none: its owner ends it, not a retention period.
    unconfirmed_time timestamptz GENERATED ALWAYS AS (CASE WHEN confirm_time IS NULL THEN ask_time END) STORED,
    CONSTRAINT status_subscribers_pkey PRIMARY KEY (subscriber_id),
    CONSTRAINT status_subscribers_email_key UNIQUE (email),
    CONSTRAINT status_subscribers_token_key UNIQUE (token),
    CONSTRAINT status_subscribers_ask_count CHECK (ask_count >= 0)
);

CREATE INDEX status_subscribers_confirmed ON status_subscribers (subscriber_id) WHERE confirm_time IS NOT NULL;

COMMENT ON TABLE status_subscribers IS
    'Who gets news of incidents by mail. A confirmed address is kept until its owner ends the subscription, any other one for a while after it was asked.
    subject: email email; erase: delete; clock: unconfirmed_time';
COMMENT ON COLUMN status_subscribers.subscriber_id IS 'not personal';
COMMENT ON COLUMN status_subscribers.email IS 'personal: EMAIL; keep: 30d (of an address that has not confirmed)';
COMMENT ON COLUMN status_subscribers.token IS 'not personal (a random secret)';
COMMENT ON COLUMN status_subscribers.ask_count IS 'not personal';
COMMENT ON COLUMN status_subscribers.ask_time IS 'not personal';
COMMENT ON COLUMN status_subscribers.confirm_time IS 'not personal';
COMMENT ON COLUMN status_subscribers.create_time IS 'not personal';
COMMENT ON COLUMN status_subscribers.unconfirmed_time IS 'not personal';
