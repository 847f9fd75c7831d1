-- What the last check of each service's audit chain found. The last entry is remembered here, because a chain whose end was cut off
-- together with its head looks whole.
CREATE TABLE audit_checks (
    service text NOT NULL,
    state text NOT NULL,
    last_sequence bigint NOT NULL,
    last_hash bytea NOT NULL,
    broken_sequence bigint NOT NULL,
    check_time timestamptz NOT NULL,
    CONSTRAINT audit_checks_pkey PRIMARY KEY (service),
    CONSTRAINT audit_checks_state CHECK (state IN ('WHOLE', 'BROKEN', 'CUT')),
    CONSTRAINT audit_checks_broken CHECK ((state = 'BROKEN') = (broken_sequence > 0))
);

CREATE INDEX audit_checks_state ON audit_checks (state);

COMMENT ON TABLE audit_checks IS 'The last check of each audit chain.';
COMMENT ON COLUMN audit_checks.service IS 'not personal';
COMMENT ON COLUMN audit_checks.state IS 'not personal';
-- The last entry of the last check that found the chain whole.
COMMENT ON COLUMN audit_checks.last_sequence IS 'not personal';
COMMENT ON COLUMN audit_checks.last_hash IS 'not personal';
COMMENT ON COLUMN audit_checks.broken_sequence IS 'not personal';
COMMENT ON COLUMN audit_checks.check_time IS 'not personal';
