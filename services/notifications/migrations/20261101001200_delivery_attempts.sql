-- Written before a provider is called, and settled after it has answered: what a killed process leaves behind is an attempt
-- without outcome, and so a message that may be with the provider.
CREATE TABLE delivery_attempts (
    delivery_attempt_id uuid NOT NULL,
    message_id uuid NOT NULL,
    round integer NOT NULL,
    provider text NOT NULL,
    idempotency_key text NOT NULL,
    begin_time timestamptz NOT NULL,
    end_time timestamptz,
    outcome text,
    detail text NOT NULL DEFAULT '',
    CONSTRAINT delivery_attempts_pkey PRIMARY KEY (delivery_attempt_id),
    CONSTRAINT delivery_attempts_message FOREIGN KEY (message_id) REFERENCES messages (message_id),
    CONSTRAINT delivery_attempts_outcome CHECK (outcome IN ('ACCEPTED', 'REFUSED', 'NOT_ACCEPTED', 'AMBIGUOUS')),
    CONSTRAINT delivery_attempts_end_time CHECK ((outcome IS NULL) = (end_time IS NULL))
);

CREATE INDEX delivery_attempts_of_message ON delivery_attempts (message_id, begin_time);
-- One at a time: two deliveries of one message never call a provider at once.
CREATE UNIQUE INDEX delivery_attempts_under_way ON delivery_attempts (message_id) WHERE outcome IS NULL;

COMMENT ON TABLE delivery_attempts IS 'Each time that a message was handed to a provider.';
COMMENT ON COLUMN delivery_attempts.delivery_attempt_id IS 'not personal';
COMMENT ON COLUMN delivery_attempts.message_id IS 'not personal';
COMMENT ON COLUMN delivery_attempts.round IS 'not personal';
COMMENT ON COLUMN delivery_attempts.provider IS 'not personal';
COMMENT ON COLUMN delivery_attempts.idempotency_key IS 'not personal';
COMMENT ON COLUMN delivery_attempts.begin_time IS 'not personal';
COMMENT ON COLUMN delivery_attempts.end_time IS 'not personal';
COMMENT ON COLUMN delivery_attempts.outcome IS 'not personal';
-- A status, an error's name, or words of ours; never a provider's own text.
COMMENT ON COLUMN delivery_attempts.detail IS 'not personal';
