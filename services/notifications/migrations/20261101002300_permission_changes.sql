-- Every change of a permission, for good: who agreed to what and when, and who took it back. Rows are only added.
CREATE TABLE permission_changes (
    permission_change_id uuid NOT NULL,
    recipient_hash bytea NOT NULL,
    category text NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    shown_text text NOT NULL,
    newsletter_subscription_id uuid,
    change_time timestamptz NOT NULL,
    CONSTRAINT permission_changes_pkey PRIMARY KEY (permission_change_id),
    CONSTRAINT permission_changes_hash_length CHECK (octet_length(recipient_hash) = 32),
    CONSTRAINT permission_changes_state CHECK (state IN ('GRANTED', 'WITHDRAWN')),
    CONSTRAINT permission_changes_subscription FOREIGN KEY (newsletter_subscription_id)
        REFERENCES newsletter_subscriptions (newsletter_subscription_id)
);

CREATE INDEX permission_changes_recipient ON permission_changes (recipient_hash, change_time DESC);

COMMENT ON TABLE permission_changes IS
    'The proof of every permission and of every withdrawal.
    subject: hash recipient_hash; erase: keep; ground: the proof of a permission (GDPR, article 7(1)) names the address only by a hash';
COMMENT ON COLUMN permission_changes.permission_change_id IS 'not personal';
-- The named exception of the design's section 11: the proof outlives the address.
COMMENT ON COLUMN permission_changes.recipient_hash IS 'not personal';
COMMENT ON COLUMN permission_changes.category IS 'not personal';
COMMENT ON COLUMN permission_changes.state IS 'not personal';
-- What the change came from: `double_opt_in`, `preference_centre`, `unsubscribe`.
COMMENT ON COLUMN permission_changes.source IS 'not personal';
-- What the page said beside the button or the box.
COMMENT ON COLUMN permission_changes.shown_text IS 'not personal';
-- The confirmed subscription, if the change came from one.
COMMENT ON COLUMN permission_changes.newsletter_subscription_id IS 'not personal';
COMMENT ON COLUMN permission_changes.change_time IS 'not personal';
