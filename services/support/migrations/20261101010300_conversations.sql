-- Conversations with the assistant. A row belongs to a customer by `owner_sub`, or to the visitor who has the token.
CREATE TABLE conversations (
    conversation_id uuid NOT NULL,
    owner_sub text,
    token_hash bytea,
    customer_email text,
    customer_name text NOT NULL,
    customer_verified boolean NOT NULL,
    state text NOT NULL,
    ticket_id uuid,
    turn_count integer NOT NULL,
    message_count integer NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT conversations_pkey PRIMARY KEY (conversation_id),
    CONSTRAINT conversations_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES tickets (ticket_id),
    CONSTRAINT conversations_state CHECK (state IN ('WITH_ASSISTANT', 'WITH_PERSON')),
    CONSTRAINT conversations_token_hash CHECK (length(token_hash) = 32),
    CONSTRAINT conversations_somebodys CHECK ((owner_sub IS NULL) <> (token_hash IS NULL)),
    CONSTRAINT conversations_message_count CHECK (message_count BETWEEN 0 AND 1000)
);

CREATE INDEX conversations_create ON conversations (create_time DESC, conversation_id DESC);
CREATE INDEX conversations_state_create ON conversations (state, create_time DESC, conversation_id DESC);
CREATE INDEX conversations_email ON conversations (customer_email, create_time DESC, conversation_id DESC);

CREATE TABLE turns (
    conversation_id uuid NOT NULL,
    position integer NOT NULL,
    customer_text text NOT NULL,
    message_count integer NOT NULL,
    last_message_time timestamptz,
    outcome text NOT NULL,
    reply text NOT NULL,
    offers_person boolean NOT NULL,
    hand_off_reason text,
    not_helpful boolean NOT NULL,
    source_slugs text[] NOT NULL,
    source_headings text[] NOT NULL,
    source_titles text[] NOT NULL,
    source_article_ids uuid[] NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT turns_pkey PRIMARY KEY (conversation_id, position),
    CONSTRAINT turns_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations (conversation_id),
    CONSTRAINT turns_outcome CHECK (
        outcome IN ('ANSWERED', 'NOT_KNOWN', 'ACKNOWLEDGED', 'HANDED_OFF', 'FORWARDED', 'REPLIED', 'RETURNED', 'OWN_DATA')
    ),
    CONSTRAINT turns_hand_off CHECK ((outcome = 'HANDED_OFF') = (hand_off_reason IS NOT NULL)),
    -- An answer from the customer's own account may name articles too.
    CONSTRAINT turns_answered CHECK (
        outcome = 'OWN_DATA' OR (outcome = 'ANSWERED') = (cardinality(source_slugs) > 0)
    )
);

COMMENT ON TABLE conversations IS
    'Conversations with the assistant.
    subject: sub owner_sub, email customer_email; erase: delete; clock: update_time';
COMMENT ON COLUMN conversations.conversation_id IS 'not personal';
COMMENT ON COLUMN conversations.owner_sub IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN conversations.token_hash IS 'not personal (SHA-256 of a random secret)';
COMMENT ON COLUMN conversations.customer_email IS 'personal: EMAIL; keep: 2y; rectify: yes';
COMMENT ON COLUMN conversations.customer_name IS 'personal: NAME; keep: 2y';
COMMENT ON COLUMN conversations.customer_verified IS 'not personal';
COMMENT ON COLUMN conversations.state IS 'not personal';
COMMENT ON COLUMN conversations.ticket_id IS 'not personal';
COMMENT ON COLUMN conversations.turn_count IS 'not personal';
COMMENT ON COLUMN conversations.message_count IS 'not personal';
COMMENT ON COLUMN conversations.create_time IS 'not personal';
COMMENT ON COLUMN conversations.update_time IS 'not personal';
COMMENT ON TABLE turns IS
    'What customers wrote, and the answers.
    subject: conversation_id of conversations.conversation_id; erase: delete; clock: create_time';
COMMENT ON COLUMN turns.conversation_id IS 'not personal';
COMMENT ON COLUMN turns.position IS 'not personal';
COMMENT ON COLUMN turns.customer_text IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN turns.message_count IS 'not personal';
COMMENT ON COLUMN turns.last_message_time IS 'not personal';
COMMENT ON COLUMN turns.outcome IS 'not personal';
COMMENT ON COLUMN turns.reply IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN turns.offers_person IS 'not personal';
COMMENT ON COLUMN turns.hand_off_reason IS 'not personal';
COMMENT ON COLUMN turns.not_helpful IS 'not personal';
COMMENT ON COLUMN turns.source_slugs IS 'not personal';
COMMENT ON COLUMN turns.source_headings IS 'not personal';
COMMENT ON COLUMN turns.source_titles IS 'not personal';
COMMENT ON COLUMN turns.source_article_ids IS 'not personal';
COMMENT ON COLUMN turns.create_time IS 'not personal';
