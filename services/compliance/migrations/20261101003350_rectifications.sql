-- The corrections that staff accepted, and their receipts. Nobody can be found by them.
CREATE TABLE rectifications (
    data_request_id uuid NOT NULL,
    accept_time timestamptz NOT NULL,
    complete_time timestamptz,
    receipts jsonb NOT NULL DEFAULT '[]',
    CONSTRAINT rectifications_pkey PRIMARY KEY (data_request_id),
    CONSTRAINT rectifications_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id)
);

COMMENT ON TABLE rectifications IS 'Corrections that staff accepted.';
COMMENT ON COLUMN rectifications.data_request_id IS 'not personal';
COMMENT ON COLUMN rectifications.accept_time IS 'not personal';
COMMENT ON COLUMN rectifications.complete_time IS 'not personal';
-- How many rows of which tables.
COMMENT ON COLUMN rectifications.receipts IS 'not personal';
