-- The requests that staff refused, with the reasons (GDPR, article 12(4) and 12(5)).
CREATE TABLE data_request_refusals (
    data_request_id uuid NOT NULL,
    reasons text NOT NULL,
    refuse_time timestamptz NOT NULL,
    CONSTRAINT data_request_refusals_pkey PRIMARY KEY (data_request_id),
    CONSTRAINT data_request_refusals_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id)
);

COMMENT ON TABLE data_request_refusals IS
    'Refusals of data requests. subject: data_request_id of data_requests.data_request_id; erase: pseudonymise; clock: refuse_time';
COMMENT ON COLUMN data_request_refusals.data_request_id IS 'not personal';
-- As the person was told.
COMMENT ON COLUMN data_request_refusals.reasons IS 'personal: MESSAGE; keep: 1y';
COMMENT ON COLUMN data_request_refusals.refuse_time IS 'not personal';
