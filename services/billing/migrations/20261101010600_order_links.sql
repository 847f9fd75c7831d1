-- Links to orders for customers without an account: one order each. The secret of a link is only in its mail; here is its tag.
CREATE TABLE order_links (
    link_id uuid NOT NULL,
    order_id uuid NOT NULL,
    secret_tag bytea NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    revoke_time timestamptz,
    CONSTRAINT order_links_pkey PRIMARY KEY (link_id),
    CONSTRAINT order_links_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT order_links_secret_tag CHECK (length(secret_tag) = 32),
    CONSTRAINT order_links_expires CHECK (expire_time > create_time)
);

CREATE INDEX order_links_order ON order_links (order_id);

COMMENT ON TABLE order_links IS
    'Links to orders for customers without an account.
    subject: order_id of orders.order_id; erase: delete';
COMMENT ON COLUMN order_links.link_id IS 'not personal';
COMMENT ON COLUMN order_links.order_id IS 'not personal';
COMMENT ON COLUMN order_links.secret_tag IS 'not personal (HMAC of a random secret)';
COMMENT ON COLUMN order_links.create_time IS 'not personal';
COMMENT ON COLUMN order_links.expire_time IS 'not personal';
COMMENT ON COLUMN order_links.revoke_time IS 'not personal';
