-- One row per message. (template, about, recipient) is unique for good: the same message is never sent twice, whoever
-- asks. The recipient's part of that key is an HMAC, so that the promise outlives the address.
CREATE TABLE messages (
    message_id uuid NOT NULL,
    template text NOT NULL,
    template_version integer NOT NULL,
    about text NOT NULL,
    recipient text,
    recipient_hash bytea NOT NULL,
    class text NOT NULL,
    category text NOT NULL,
    requested_by text NOT NULL,
    guard_subject text,
    sender text NOT NULL,
    reply_to text,
    headers text NOT NULL DEFAULT '',
    subject text NOT NULL,
    body_text text NOT NULL,
    body_html text NOT NULL,
    state text NOT NULL,
    provider text,
    provider_message_id text,
    failure text,
    doubt text,
    suppression text,
    cancellation text,
    round integer NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL,
    send_time timestamptz,
    delivery_outcome text,
    delivery_outcome_time timestamptz,
    CONSTRAINT messages_pkey PRIMARY KEY (message_id),
    CONSTRAINT messages_identity UNIQUE (template, about, recipient_hash),
    CONSTRAINT messages_recipient_hash_length CHECK (octet_length(recipient_hash) = 32),
    CONSTRAINT messages_round_positive CHECK (round >= 1),
    CONSTRAINT messages_state CHECK (state IN ('PENDING', 'SENT', 'FAILED', 'IN_DOUBT', 'SUPPRESSED', 'CANCELLED')),
    CONSTRAINT messages_class CHECK (class IN ('TRANSACTIONAL', 'MARKETING', 'OPERATOR')),
    -- Whatever claims to be sent holds the evidence, and nothing else does.
    CONSTRAINT messages_evidence CHECK (
        (state = 'SENT') = (provider IS NOT NULL AND provider_message_id IS NOT NULL AND send_time IS NOT NULL)
    ),
    -- Whatever failed says why.
    CONSTRAINT messages_failure CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
    -- Whatever is in doubt says why.
    CONSTRAINT messages_doubt CHECK ((state = 'IN_DOUBT') = (doubt IS NOT NULL)),
    -- Whatever its recipient must not get, and whatever is not wanted any more, says why.
    CONSTRAINT messages_suppression CHECK (
        (state = 'SUPPRESSED') = (suppression IS NOT NULL)
        AND suppression IN (
            'HARD_BOUNCE', 'STAFF', 'COMPLAINT', 'OBJECTION', 'RESTRICTION', 'SOFT_BOUNCES', 'PERMISSION_WITHDRAWN',
            'NO_PERMISSION'
        )
    ),
    CONSTRAINT messages_cancellation CHECK ((state = 'CANCELLED') = (cancellation IS NOT NULL)),
    -- What became of it after the provider took it: only of what was taken, and with its time.
    CONSTRAINT messages_delivery_outcome CHECK (
        (delivery_outcome IS NULL) = (delivery_outcome_time IS NULL)
        AND (delivery_outcome IS NULL OR state = 'SENT')
        AND delivery_outcome IN (
            'DELAYED', 'DELIVERED', 'FAILED', 'BOUNCED_SOFT', 'SUPPRESSED', 'BOUNCED_HARD', 'COMPLAINED'
        )
    )
);

-- What is neither sent nor failed. Marketing may wait for its turn for long, other mail must not.
CREATE INDEX messages_pending ON messages ((class = 'MARKETING'), create_time) WHERE state = 'PENDING';
-- Lists, newest first: all of them, and one person's.
CREATE INDEX messages_newest ON messages (create_time DESC);
CREATE INDEX messages_recipient_newest ON messages (recipient_hash, create_time DESC);

-- What waits for a person, or will never be sent, counted and listed however many messages there are.
CREATE INDEX messages_in_doubt_or_not_sent ON messages (state, create_time DESC)
    WHERE state IN ('IN_DOUBT', 'FAILED', 'SUPPRESSED', 'CANCELLED');
-- What was sent about one thing. Those of one template are found by messages_identity.
CREATE INDEX messages_about_newest ON messages (about, create_time DESC);

-- What a provider's event is about.
CREATE INDEX messages_provider_message ON messages (provider_message_id, create_time)
    WHERE provider_message_id IS NOT NULL;
-- What the sweep of outcomes looks for.
CREATE INDEX messages_without_outcome ON messages (provider, send_time)
    WHERE state = 'SENT' AND (delivery_outcome IS NULL OR delivery_outcome = 'DELAYED');
-- What did not come to its recipient, listed however many messages did.
CREATE INDEX messages_delivery_outcome ON messages (delivery_outcome, create_time DESC)
    WHERE delivery_outcome IS NOT NULL;

COMMENT ON TABLE messages IS
    'Every mail that was asked for, as it was rendered, and what became of it.
    subject: email recipient; erase: pseudonymise; set: state = CASE state WHEN ''PENDING'' THEN ''CANCELLED'' ELSE state END, cancellation = CASE state WHEN ''PENDING'' THEN ''RECIPIENT_ERASED'' ELSE cancellation END; clock: create_time';
COMMENT ON COLUMN messages.message_id IS 'not personal';
COMMENT ON COLUMN messages.template IS 'not personal';
COMMENT ON COLUMN messages.template_version IS 'not personal';
COMMENT ON COLUMN messages.about IS 'not personal';
COMMENT ON COLUMN messages.recipient IS 'personal: EMAIL; keep: 2y';
-- The named exception of the design's section 11: without it, an erased person would be written to again.
COMMENT ON COLUMN messages.recipient_hash IS 'not personal';
COMMENT ON COLUMN messages.class IS 'not personal';
COMMENT ON COLUMN messages.category IS 'not personal';
-- The service that called SendMessage, and what it is asked before the mail goes out.
COMMENT ON COLUMN messages.requested_by IS 'not personal';
COMMENT ON COLUMN messages.guard_subject IS 'not personal';
COMMENT ON COLUMN messages.sender IS 'not personal';
-- Where replies go: an address of ours.
COMMENT ON COLUMN messages.reply_to IS 'not personal';
-- Further header lines, such as List-Unsubscribe with the recipient's token.
COMMENT ON COLUMN messages.headers IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN messages.subject IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN messages.body_text IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN messages.body_html IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN messages.state IS 'not personal';
COMMENT ON COLUMN messages.provider IS 'not personal';
COMMENT ON COLUMN messages.provider_message_id IS 'not personal';
COMMENT ON COLUMN messages.failure IS 'not personal';
COMMENT ON COLUMN messages.doubt IS 'not personal';
COMMENT ON COLUMN messages.suppression IS 'not personal';
COMMENT ON COLUMN messages.cancellation IS 'not personal';
-- How often a person has said "send it again", and one: each round has an idempotency key of its own.
COMMENT ON COLUMN messages.round IS 'not personal';
COMMENT ON COLUMN messages.create_time IS 'not personal';
COMMENT ON COLUMN messages.send_time IS 'not personal';
-- The gravest of delivery_reports.
COMMENT ON COLUMN messages.delivery_outcome IS 'not personal';
COMMENT ON COLUMN messages.delivery_outcome_time IS 'not personal';
