-- The requests whose time to answer was extended: once, and with reasons (GDPR, article 12(3)).
CREATE TABLE data_request_extensions (
    data_request_id uuid NOT NULL,
    reasons text NOT NULL,
    extend_time timestamptz NOT NULL,
    CONSTRAINT data_request_extensions_pkey PRIMARY KEY (data_request_id),
    CONSTRAINT data_request_extensions_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id)
);

COMMENT ON TABLE data_request_extensions IS
    'Extensions of the time to answer data requests. subject: data_request_id of data_requests.data_request_id; erase: pseudonymise; clock: extend_time';
COMMENT ON COLUMN data_request_extensions.data_request_id IS 'not personal';
-- As the person was told.
COMMENT ON COLUMN data_request_extensions.reasons IS 'personal: MESSAGE; keep: 1y';
COMMENT ON COLUMN data_request_extensions.extend_time IS 'not personal';
