-- Who agreed to which category of marketing. An address without a row has not agreed.
CREATE TABLE permissions (
    recipient_hash bytea NOT NULL,
    category text NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    create_time timestamptz NOT NULL,
    change_time timestamptz NOT NULL,
    CONSTRAINT permissions_pkey PRIMARY KEY (recipient_hash, category),
    CONSTRAINT permissions_recipient_hash_length CHECK (octet_length(recipient_hash) = 32),
    CONSTRAINT permissions_state CHECK (state IN ('GRANTED', 'WITHDRAWN'))
);

COMMENT ON TABLE permissions IS
    'Who agreed to which category of marketing, and who withdrew that.
    subject: hash recipient_hash; erase: keep; ground: without the hash of the address an erased person would be written to again (GDPR, article 21(3))';
-- The named exception of the design's section 11: without it, an erased person would be written to again.
COMMENT ON COLUMN permissions.recipient_hash IS 'not personal';
COMMENT ON COLUMN permissions.category IS 'not personal';
COMMENT ON COLUMN permissions.state IS 'not personal';
-- What the last change came from, such as `double_opt_in` or `one_click`.
COMMENT ON COLUMN permissions.source IS 'not personal';
COMMENT ON COLUMN permissions.create_time IS 'not personal';
COMMENT ON COLUMN permissions.change_time IS 'not personal';
