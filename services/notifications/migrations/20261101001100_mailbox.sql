-- The local mailbox, as if it were a provider somewhere else: no foreign key into our own tables, and one mail per
-- message_id, which is the idempotency key that a provider is given.
CREATE TABLE mailbox (
    mailbox_id uuid NOT NULL,
    message_id uuid NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    body_text text NOT NULL,
    body_html text NOT NULL,
    receive_time timestamptz NOT NULL,
    CONSTRAINT mailbox_pkey PRIMARY KEY (mailbox_id),
    CONSTRAINT mailbox_message UNIQUE (message_id)
);

COMMENT ON TABLE mailbox IS
    'Mail that the local mailbox provider took.
    subject: email recipient; erase: delete; clock: receive_time';
COMMENT ON COLUMN mailbox.mailbox_id IS 'not personal';
COMMENT ON COLUMN mailbox.message_id IS 'not personal';
COMMENT ON COLUMN mailbox.sender IS 'not personal';
COMMENT ON COLUMN mailbox.recipient IS 'personal: EMAIL; keep: 2y';
COMMENT ON COLUMN mailbox.subject IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN mailbox.body_text IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN mailbox.body_html IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN mailbox.receive_time IS 'not personal';
