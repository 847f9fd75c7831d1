-- What mail providers say of mails that they took, as it came: verified and stored first, understood afterwards by a deferred
-- call, in the transaction that stores it.
CREATE TABLE provider_events (
    provider_event_id uuid NOT NULL,
    event_id text NOT NULL,
    provider text NOT NULL,
    type text,
    body bytea,
    state text NOT NULL DEFAULT 'PENDING',
    provider_message_id text,
    message_id uuid,
    inbound_mail_id uuid,
    failure text,
    create_time timestamptz,
    receive_time timestamptz NOT NULL,
    settle_time timestamptz,
    CONSTRAINT provider_events_pkey PRIMARY KEY (provider_event_id),
    -- However often a provider sends an event, it is one.
    CONSTRAINT provider_events_event UNIQUE (provider, event_id),
    CONSTRAINT provider_events_message FOREIGN KEY (message_id) REFERENCES messages (message_id),
    CONSTRAINT provider_events_inbound_mail FOREIGN KEY (inbound_mail_id) REFERENCES inbound_mails (inbound_mail_id),
    -- Whatever claims to be done with says when, and nothing else does; whatever was applied says to what; whatever is
    -- quarantined says why.
    CONSTRAINT provider_events_state CHECK (
        CASE state
            WHEN 'PENDING' THEN settle_time IS NULL
            WHEN 'AWAITING_MESSAGE' THEN settle_time IS NULL AND provider_message_id IS NOT NULL
            WHEN 'APPLIED' THEN settle_time IS NOT NULL AND (message_id IS NOT NULL) <> (inbound_mail_id IS NOT NULL)
            WHEN 'IGNORED' THEN settle_time IS NOT NULL
            WHEN 'UNMATCHED' THEN settle_time IS NOT NULL AND provider_message_id IS NOT NULL
            WHEN 'QUARANTINED' THEN settle_time IS NULL AND failure IS NOT NULL
            ELSE false
        END
    )
);

-- Lists, newest first: all of them, and those of one type.
CREATE INDEX provider_events_newest ON provider_events (receive_time DESC);
CREATE INDEX provider_events_type_newest ON provider_events (type, receive_time DESC);
-- What the status counts, what has waited for too long, and lists of one state.
CREATE INDEX provider_events_not_applied ON provider_events (state, receive_time)
    WHERE state <> 'APPLIED';
-- What is looked at again when a message gets its provider's id.
CREATE INDEX provider_events_waiting ON provider_events (provider_message_id)
    WHERE state IN ('AWAITING_MESSAGE', 'UNMATCHED');
-- What the purge looks for.
CREATE INDEX provider_events_to_purge ON provider_events (settle_time)
    WHERE settle_time IS NOT NULL AND body IS NOT NULL;
CREATE INDEX provider_events_unsettled_to_purge ON provider_events (receive_time)
    WHERE settle_time IS NULL AND body IS NOT NULL;

COMMENT ON TABLE provider_events IS
    'Every event that a mail provider sent with a good signature, and what became of it.
    subject: message_id of messages.message_id, text body; erase: null; once: state <> ''PENDING''; end: settle_time = CASE state WHEN ''PENDING'' THEN runtime.now() ELSE settle_time END, state = CASE state WHEN ''PENDING'' THEN ''IGNORED'' ELSE state END';
COMMENT ON COLUMN provider_events.provider_event_id IS 'not personal';
COMMENT ON COLUMN provider_events.event_id IS 'not personal';
COMMENT ON COLUMN provider_events.provider IS 'not personal';
COMMENT ON COLUMN provider_events.type IS 'not personal';
COMMENT ON COLUMN provider_events.body IS 'personal: EMAIL; keep: 90d';
COMMENT ON COLUMN provider_events.state IS 'not personal';
COMMENT ON COLUMN provider_events.provider_message_id IS 'not personal';
COMMENT ON COLUMN provider_events.message_id IS 'not personal';
COMMENT ON COLUMN provider_events.inbound_mail_id IS 'not personal';
COMMENT ON COLUMN provider_events.failure IS 'not personal';
COMMENT ON COLUMN provider_events.create_time IS 'not personal';
COMMENT ON COLUMN provider_events.receive_time IS 'not personal';
COMMENT ON COLUMN provider_events.settle_time IS 'not personal';
