-- Tickets: what a person of support works on. A row belongs to a customer by `owner_sub`, or as long as that is null, by a verified
-- address that equals `customer_email`.
CREATE TABLE tickets (
    ticket_id uuid NOT NULL,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY (START WITH 1001),
    owner_sub text,
    customer_email text,
    customer_name text NOT NULL,
    customer_verified boolean NOT NULL,
    subject text NOT NULL,
    state text NOT NULL,
    plan text NOT NULL,
    origin text NOT NULL,
    hand_off_reason text,
    conversation_id uuid,
    assignee text,
    merged_ticket_id uuid,
    spam boolean NOT NULL DEFAULT false,
    mail_token text NOT NULL,
    open_business_ms bigint NOT NULL DEFAULT 0,
    open_since timestamptz,
    first_reply_due_time timestamptz NOT NULL,
    first_reply_time timestamptz,
    overdue_time timestamptz,
    solve_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (ticket_id),
    CONSTRAINT tickets_number_key UNIQUE (number),
    CONSTRAINT tickets_mail_token_key UNIQUE (mail_token),
    CONSTRAINT tickets_merged_ticket_id_fkey FOREIGN KEY (merged_ticket_id) REFERENCES tickets (ticket_id),
    CONSTRAINT tickets_state CHECK (state IN ('OPEN', 'PENDING', 'ON_HOLD', 'SOLVED', 'CLOSED')),
    CONSTRAINT tickets_plan CHECK (plan IN ('STARTER', 'GROWTH', 'PRO', 'BUSINESS')),
    CONSTRAINT tickets_origin CHECK (origin IN ('CONVERSATION', 'CUSTOMER', 'MAIL', 'COMPLAINT')),
    CONSTRAINT tickets_hand_off_reason CHECK (
        hand_off_reason IN ('ASKED', 'NO_ANSWER', 'NOT_HELPFUL', 'MONEY_BACK', 'ANGER', 'TAKEN')
    ),
    CONSTRAINT tickets_open_since CHECK ((state = 'OPEN') = (open_since IS NOT NULL)),
    CONSTRAINT tickets_open_business CHECK (open_business_ms >= 0)
);

CREATE INDEX tickets_create ON tickets (create_time DESC, ticket_id DESC);
CREATE INDEX tickets_state_create ON tickets (state, create_time DESC, ticket_id DESC);
CREATE INDEX tickets_owner ON tickets (owner_sub, create_time DESC, ticket_id DESC);
CREATE INDEX tickets_email ON tickets (customer_email, create_time DESC, ticket_id DESC);
CREATE INDEX tickets_assignee ON tickets (assignee, create_time DESC, ticket_id DESC);
-- The search.
CREATE INDEX tickets_search ON tickets USING gin (to_tsvector('english', subject));
-- What the sweep looks for.
CREATE INDEX tickets_first_reply_due ON tickets (first_reply_due_time)
    WHERE first_reply_time IS NULL AND state IN ('OPEN', 'PENDING', 'ON_HOLD');
CREATE INDEX tickets_solved ON tickets (solve_time) WHERE state = 'SOLVED';

CREATE TABLE ticket_messages (
    message_id uuid NOT NULL,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    ticket_id uuid NOT NULL,
    party text NOT NULL,
    internal boolean NOT NULL,
    author text,
    sender_address text,
    not_read_as_reply boolean NOT NULL DEFAULT false,
    body text NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT ticket_messages_pkey PRIMARY KEY (message_id),
    CONSTRAINT ticket_messages_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES tickets (ticket_id),
    CONSTRAINT ticket_messages_party CHECK (party IN ('CUSTOMER', 'STAFF', 'ASSISTANT', 'OTHER')),
    CONSTRAINT ticket_messages_internal CHECK (
        party = 'STAFF' OR internal = (party = 'OTHER' OR not_read_as_reply)
    )
);

CREATE INDEX ticket_messages_ticket ON ticket_messages (ticket_id, sequence DESC);
CREATE INDEX ticket_messages_search ON ticket_messages USING gin (to_tsvector('english', body));

COMMENT ON TABLE tickets IS
    'What a person of support works on.
    subject: sub owner_sub, email customer_email; erase: pseudonymise; set: mail_token = md5(gen_random_uuid()::text); clock: create_time';
COMMENT ON COLUMN tickets.ticket_id IS 'not personal';
COMMENT ON COLUMN tickets.number IS 'not personal';
COMMENT ON COLUMN tickets.owner_sub IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN tickets.customer_email IS 'personal: EMAIL; keep: 2y; rectify: yes';
COMMENT ON COLUMN tickets.customer_name IS 'personal: NAME; keep: 2y';
COMMENT ON COLUMN tickets.customer_verified IS 'not personal';
COMMENT ON COLUMN tickets.subject IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN tickets.state IS 'not personal';
COMMENT ON COLUMN tickets.plan IS 'not personal';
COMMENT ON COLUMN tickets.origin IS 'not personal';
COMMENT ON COLUMN tickets.hand_off_reason IS 'not personal';
COMMENT ON COLUMN tickets.conversation_id IS 'not personal';
COMMENT ON COLUMN tickets.assignee IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN tickets.merged_ticket_id IS 'not personal';
COMMENT ON COLUMN tickets.spam IS 'not personal';
COMMENT ON COLUMN tickets.mail_token IS 'not personal (a random secret; an erasure replaces it)';
COMMENT ON COLUMN tickets.open_business_ms IS 'not personal';
COMMENT ON COLUMN tickets.open_since IS 'not personal';
COMMENT ON COLUMN tickets.first_reply_due_time IS 'not personal';
COMMENT ON COLUMN tickets.first_reply_time IS 'not personal';
COMMENT ON COLUMN tickets.overdue_time IS 'not personal';
COMMENT ON COLUMN tickets.solve_time IS 'not personal';
COMMENT ON COLUMN tickets.create_time IS 'not personal';
COMMENT ON COLUMN tickets.update_time IS 'not personal';
COMMENT ON TABLE ticket_messages IS
    'The messages and notes of tickets.
    subject: ticket_id of tickets.ticket_id; erase: pseudonymise; clock: create_time';
COMMENT ON COLUMN ticket_messages.message_id IS 'not personal';
COMMENT ON COLUMN ticket_messages.sequence IS 'not personal';
COMMENT ON COLUMN ticket_messages.ticket_id IS 'not personal';
COMMENT ON COLUMN ticket_messages.party IS 'not personal';
COMMENT ON COLUMN ticket_messages.internal IS 'not personal';
COMMENT ON COLUMN ticket_messages.author IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN ticket_messages.sender_address IS 'personal: EMAIL; keep: 2y';
COMMENT ON COLUMN ticket_messages.not_read_as_reply IS 'not personal';
COMMENT ON COLUMN ticket_messages.body IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN ticket_messages.create_time IS 'not personal';
