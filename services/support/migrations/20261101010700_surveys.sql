-- Surveys after tickets were solved: one per ticket. A ticket that is solved again before the survey is answered gets a new token.
CREATE TABLE surveys (
    ticket_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    score smallint,
    comment text,
    answer_time timestamptz,
    create_time timestamptz NOT NULL,
    CONSTRAINT surveys_pkey PRIMARY KEY (ticket_id),
    CONSTRAINT surveys_token_hash_key UNIQUE (token_hash),
    CONSTRAINT surveys_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES tickets (ticket_id),
    CONSTRAINT surveys_token_hash CHECK (length(token_hash) = 32),
    CONSTRAINT surveys_score CHECK (score BETWEEN 1 AND 5),
    CONSTRAINT surveys_answer CHECK ((score IS NULL) = (answer_time IS NULL))
);

CREATE INDEX surveys_answered ON surveys (answer_time) WHERE answer_time IS NOT NULL;

COMMENT ON TABLE surveys IS
    'What customers answered after their tickets were solved.
    subject: ticket_id of tickets.ticket_id; erase: null; clock: create_time';
COMMENT ON COLUMN surveys.ticket_id IS 'not personal';
COMMENT ON COLUMN surveys.token_hash IS 'not personal (SHA-256 of a random secret)';
COMMENT ON COLUMN surveys.score IS 'not personal';
COMMENT ON COLUMN surveys.comment IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN surveys.answer_time IS 'not personal';
COMMENT ON COLUMN surveys.create_time IS 'not personal';
