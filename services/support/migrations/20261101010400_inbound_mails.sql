-- Mails that came to addresses of tickets, each once, and the files that came with them.
CREATE TABLE inbound_mails (
    inbound_mail_id uuid NOT NULL,
    verdict text NOT NULL,
    ticket_id uuid,
    create_time timestamptz NOT NULL,
    CONSTRAINT inbound_mails_pkey PRIMARY KEY (inbound_mail_id),
    CONSTRAINT inbound_mails_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES tickets (ticket_id),
    CONSTRAINT inbound_mails_verdict CHECK (
        verdict IN ('ACCEPTED', 'STRANGER', 'AUTOMATIC', 'LOOP', 'TOO_MANY', 'NO_TICKET')
    ),
    CONSTRAINT inbound_mails_ticket CHECK ((verdict = 'NO_TICKET') = (ticket_id IS NULL))
);

-- How many mails came to a ticket within the last hour.
CREATE INDEX inbound_mails_ticket_create ON inbound_mails (ticket_id, create_time);

-- A row exists before the content is written, so that no content is ever without a row.
CREATE TABLE ticket_files (
    file_id uuid NOT NULL,
    message_id uuid NOT NULL,
    inbound_mail_id uuid NOT NULL,
    attachment_id text NOT NULL,
    place smallint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    content_type text,
    size_bytes bigint,
    sweep boolean NOT NULL DEFAULT false,
    create_time timestamptz NOT NULL,
    CONSTRAINT ticket_files_pkey PRIMARY KEY (file_id),
    CONSTRAINT ticket_files_message_id_fkey FOREIGN KEY (message_id) REFERENCES ticket_messages (message_id),
    CONSTRAINT ticket_files_inbound_mail_id_fkey FOREIGN KEY (inbound_mail_id) REFERENCES inbound_mails (inbound_mail_id),
    CONSTRAINT ticket_files_attachment UNIQUE (inbound_mail_id, attachment_id),
    CONSTRAINT ticket_files_state CHECK (
        state IN ('PENDING', 'STORED', 'TOO_LARGE', 'REFUSED', 'GONE', 'NO_STORAGE')
    ),
    CONSTRAINT ticket_files_stored CHECK (
        (state = 'STORED') = (content_type IS NOT NULL AND size_bytes IS NOT NULL)
    )
);

CREATE INDEX ticket_files_message ON ticket_files (message_id);
-- Contents that an erasure left to the sweep.
CREATE INDEX ticket_files_sweep ON ticket_files (file_id) WHERE sweep;

COMMENT ON TABLE inbound_mails IS 'Mails that came to addresses of tickets, and what became of them.';
COMMENT ON COLUMN inbound_mails.inbound_mail_id IS 'not personal';
COMMENT ON COLUMN inbound_mails.verdict IS 'not personal';
COMMENT ON COLUMN inbound_mails.ticket_id IS 'not personal';
COMMENT ON COLUMN inbound_mails.create_time IS 'not personal';
COMMENT ON TABLE ticket_files IS
    'Files that came with mails to tickets.
    subject: message_id of ticket_messages.message_id; erase: pseudonymise; set: state = ''GONE'', content_type = NULL, size_bytes = NULL, sweep = true; file: tickets/{file_id}; clock: create_time';
COMMENT ON COLUMN ticket_files.file_id IS 'not personal';
COMMENT ON COLUMN ticket_files.message_id IS 'not personal';
COMMENT ON COLUMN ticket_files.inbound_mail_id IS 'not personal';
COMMENT ON COLUMN ticket_files.attachment_id IS 'not personal';
-- Its place among the files of the mail, from 0.
COMMENT ON COLUMN ticket_files.place IS 'not personal';
COMMENT ON COLUMN ticket_files.name IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN ticket_files.state IS 'not personal';
COMMENT ON COLUMN ticket_files.content_type IS 'not personal';
COMMENT ON COLUMN ticket_files.size_bytes IS 'not personal';
COMMENT ON COLUMN ticket_files.sweep IS 'not personal';
COMMENT ON COLUMN ticket_files.create_time IS 'not personal';
