-- Links to subscriptions for customers without an account: one subscription each. The secret of a link is only in its mail; here is
-- its tag.
CREATE TABLE subscription_links (
    link_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    secret_tag bytea NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    revoke_time timestamptz,
    CONSTRAINT subscription_links_pkey PRIMARY KEY (link_id),
    CONSTRAINT subscription_links_subscription_id_fkey
    FOREIGN KEY (subscription_id) REFERENCES subscriptions (subscription_id),
    CONSTRAINT subscription_links_secret_tag CHECK (length(secret_tag) = 32),
    CONSTRAINT subscription_links_expires CHECK (expire_time > create_time)
);

CREATE INDEX subscription_links_subscription ON subscription_links (subscription_id);

COMMENT ON TABLE subscription_links IS
    'Links to subscriptions for customers without an account.
    subject: subscription_id of subscriptions.subscription_id; erase: delete';
COMMENT ON COLUMN subscription_links.link_id IS 'not personal';
COMMENT ON COLUMN subscription_links.subscription_id IS 'not personal';
COMMENT ON COLUMN subscription_links.secret_tag IS 'not personal (HMAC of a random secret)';
COMMENT ON COLUMN subscription_links.create_time IS 'not personal';
COMMENT ON COLUMN subscription_links.expire_time IS 'not personal';
COMMENT ON COLUMN subscription_links.revoke_time IS 'not personal';
