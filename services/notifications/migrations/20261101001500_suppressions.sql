-- Addresses that must not get mail, of every class or of marketing only: the reason decides (src/domain/suppression.rs).
CREATE TABLE suppressions (
    suppression_id uuid NOT NULL,
    recipient_hash bytea NOT NULL,
    recipient text,
    reason text NOT NULL,
    evidence text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL,
    until_time timestamptz,
    CONSTRAINT suppressions_pkey PRIMARY KEY (suppression_id),
    -- One address has each reason once.
    CONSTRAINT suppressions_address_reason UNIQUE (recipient_hash, reason),
    CONSTRAINT suppressions_recipient_hash_length CHECK (octet_length(recipient_hash) = 32),
    CONSTRAINT suppressions_reason CHECK (
        reason IN ('HARD_BOUNCE', 'STAFF', 'COMPLAINT', 'OBJECTION', 'RESTRICTION', 'SOFT_BOUNCES')
    ),
    CONSTRAINT suppressions_until_time CHECK (until_time > create_time)
);

-- Lists, newest first: all of them, and those of one reason. Those of one address are found by suppressions_address_reason.
CREATE INDEX suppressions_newest ON suppressions (create_time DESC, suppression_id DESC);
CREATE INDEX suppressions_reason_newest ON suppressions (reason, create_time DESC, suppression_id DESC);

COMMENT ON TABLE suppressions IS
    'Addresses that must not get mail.
    subject: email recipient, hash recipient_hash; erase: null; ground: without the hash of the address an erased person would be written to again (GDPR, article 21(3)); clock: create_time';
COMMENT ON COLUMN suppressions.suppression_id IS 'not personal';
-- The named exception of the design's section 11: without it, an erased person would be written to again.
COMMENT ON COLUMN suppressions.recipient_hash IS 'not personal';
COMMENT ON COLUMN suppressions.recipient IS 'personal: EMAIL; keep: 2y';
COMMENT ON COLUMN suppressions.reason IS 'not personal';
-- A reference: `message:0190…`, or what staff named, such as `ticket:12`.
COMMENT ON COLUMN suppressions.evidence IS 'not personal';
COMMENT ON COLUMN suppressions.create_time IS 'not personal';
-- When it ends by itself; NULL: never.
COMMENT ON COLUMN suppressions.until_time IS 'not personal';
