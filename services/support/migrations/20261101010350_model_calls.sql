-- Questions to the language model: what became of each, how long it took, and how many tokens it had. What was asked and answered is in
-- `turns`.
CREATE TABLE model_calls (
    model_call_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    position integer NOT NULL,
    model text NOT NULL,
    outcome text NOT NULL,
    tokens_read integer NOT NULL,
    tokens_written integer NOT NULL,
    duration_ms integer NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT model_calls_pkey PRIMARY KEY (model_call_id),
    CONSTRAINT model_calls_turn_fkey FOREIGN KEY (conversation_id, position) REFERENCES turns (conversation_id, position)
        ON DELETE CASCADE,
    CONSTRAINT model_calls_outcome CHECK (
        outcome IN (
            'ANSWERED', 'NO_ANSWER', 'UNSUPPORTED', 'REFUSED', 'EMPTY', 'CUT', 'MALFORMED', 'UNAUTHORISED', 'RATE_LIMITED', 'REJECTED',
            'SERVER_FAILED', 'TIMED_OUT', 'UNREACHABLE'
        )
    )
);

CREATE INDEX model_calls_turn ON model_calls (conversation_id, position);

COMMENT ON TABLE model_calls IS 'Questions to the language model.';
COMMENT ON COLUMN model_calls.model_call_id IS 'not personal';
COMMENT ON COLUMN model_calls.conversation_id IS 'not personal';
COMMENT ON COLUMN model_calls.position IS 'not personal';
COMMENT ON COLUMN model_calls.model IS 'not personal';
COMMENT ON COLUMN model_calls.outcome IS 'not personal';
COMMENT ON COLUMN model_calls.tokens_read IS 'not personal';
COMMENT ON COLUMN model_calls.tokens_written IS 'not personal';
COMMENT ON COLUMN model_calls.duration_ms IS 'not personal';
COMMENT ON COLUMN model_calls.create_time IS 'not personal';
