-- The one-time codes of data requests and of copies: one of each purpose. Only a salted hash is stored, and every try is counted
-- before the code is compared.
CREATE TABLE data_request_codes (
    data_request_id uuid NOT NULL,
    purpose text NOT NULL,
    salt bytea NOT NULL,
    code_hash bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    use_time timestamptz,
    CONSTRAINT data_request_codes_pkey PRIMARY KEY (data_request_id, purpose),
    CONSTRAINT data_request_codes_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id),
    CONSTRAINT data_request_codes_purpose CHECK (purpose IN ('CONFIRMATION', 'DOWNLOAD')),
    CONSTRAINT data_request_codes_tries CHECK (tries BETWEEN 0 AND 5)
);

COMMENT ON TABLE data_request_codes IS 'One-time codes.';
COMMENT ON COLUMN data_request_codes.data_request_id IS 'not personal';
COMMENT ON COLUMN data_request_codes.purpose IS 'not personal';
COMMENT ON COLUMN data_request_codes.salt IS 'not personal';
COMMENT ON COLUMN data_request_codes.code_hash IS 'not personal (a salted hash)';
COMMENT ON COLUMN data_request_codes.tries IS 'not personal';
COMMENT ON COLUMN data_request_codes.create_time IS 'not personal';
COMMENT ON COLUMN data_request_codes.expire_time IS 'not personal';
COMMENT ON COLUMN data_request_codes.use_time IS 'not personal';
