-- Canned replies: texts of staff, with placeholders that are filled when a reply uses them.
CREATE TABLE canned_replies (
    canned_reply_id uuid NOT NULL,
    name text NOT NULL,
    text text NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT canned_replies_pkey PRIMARY KEY (canned_reply_id),
    CONSTRAINT canned_replies_name_key UNIQUE (name)
);

CREATE INDEX canned_replies_create ON canned_replies (create_time DESC, canned_reply_id DESC);

COMMENT ON TABLE canned_replies IS 'Texts of staff for replies to tickets.';
COMMENT ON COLUMN canned_replies.canned_reply_id IS 'not personal';
COMMENT ON COLUMN canned_replies.name IS 'not personal';
COMMENT ON COLUMN canned_replies.text IS 'not personal';
COMMENT ON COLUMN canned_replies.create_time IS 'not personal';
COMMENT ON COLUMN canned_replies.update_time IS 'not personal';
