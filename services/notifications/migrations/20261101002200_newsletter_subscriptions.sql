-- Each time that somebody entered an address for the newsletter: the question, and the answer if the address confirmed it. A row
-- is evidence and never changes after its confirmation.
CREATE TABLE newsletter_subscriptions (
    newsletter_subscription_id uuid NOT NULL,
    recipient_hash bytea NOT NULL,
    recipient text,
    categories text[] NOT NULL,
    source text NOT NULL,
    shown_text text NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    confirm_time timestamptz,
    CONSTRAINT newsletter_subscriptions_pkey PRIMARY KEY (newsletter_subscription_id),
    CONSTRAINT newsletter_subscriptions_hash_length CHECK (octet_length(recipient_hash) = 32),
    CONSTRAINT newsletter_subscriptions_categories CHECK (cardinality(categories) > 0),
    CONSTRAINT newsletter_subscriptions_in_time CHECK (confirm_time < expire_time)
);

-- How often an address was asked lately.
CREATE INDEX newsletter_subscriptions_recipient ON newsletter_subscriptions (recipient_hash, create_time DESC);

COMMENT ON TABLE newsletter_subscriptions IS
    'Who was asked whether they want the newsletter, and who said yes.
    subject: email recipient, hash recipient_hash; erase: null; ground: the proof of a permission (GDPR, article 7(1)) names the address only by a hash; clock: create_time';
COMMENT ON COLUMN newsletter_subscriptions.newsletter_subscription_id IS 'not personal';
-- The named exception of the design's section 11: the proof outlives the address.
COMMENT ON COLUMN newsletter_subscriptions.recipient_hash IS 'not personal';
COMMENT ON COLUMN newsletter_subscriptions.recipient IS 'personal: EMAIL; keep: 2y';
COMMENT ON COLUMN newsletter_subscriptions.categories IS 'not personal';
-- Where the address was entered.
COMMENT ON COLUMN newsletter_subscriptions.source IS 'not personal';
-- The text beside the field in which the address was entered.
COMMENT ON COLUMN newsletter_subscriptions.shown_text IS 'not personal';
COMMENT ON COLUMN newsletter_subscriptions.create_time IS 'not personal';
COMMENT ON COLUMN newsletter_subscriptions.expire_time IS 'not personal';
COMMENT ON COLUMN newsletter_subscriptions.confirm_time IS 'not personal';
