-- The erasures that were approved: what was approved, how far they are, and their receipts. Nobody can be found by them.
CREATE TABLE erasures (
    data_request_id uuid NOT NULL,
    preview_hash text NOT NULL,
    step text NOT NULL,
    approve_time timestamptz NOT NULL,
    begin_time timestamptz,
    complete_time timestamptz,
    receipts jsonb NOT NULL DEFAULT '[]',
    kept text[] NOT NULL DEFAULT '{}',
    CONSTRAINT erasures_pkey PRIMARY KEY (data_request_id),
    CONSTRAINT erasures_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id),
    CONSTRAINT erasures_step CHECK (step IN ('APPROVED', 'ERASING', 'TOLD', 'RECORDED', 'COMPLETE')),
    CONSTRAINT erasures_complete CHECK ((step = 'COMPLETE') = (complete_time IS NOT NULL))
);

-- What is still to be finished when the service starts.
CREATE INDEX erasures_step ON erasures (step);

COMMENT ON TABLE erasures IS 'Erasures that were approved.';
COMMENT ON COLUMN erasures.data_request_id IS 'not personal';
COMMENT ON COLUMN erasures.preview_hash IS 'not personal';
-- ERASING: all services but notifications and this one. TOLD: the last mail is under way. RECORDED: the ledger has the erasure.
COMMENT ON COLUMN erasures.step IS 'not personal';
COMMENT ON COLUMN erasures.approve_time IS 'not personal';
COMMENT ON COLUMN erasures.begin_time IS 'not personal';
COMMENT ON COLUMN erasures.complete_time IS 'not personal';
-- How many rows of which tables.
COMMENT ON COLUMN erasures.receipts IS 'not personal';
-- What stays and why, as the last mail says it: known when the erasure begins, because later nothing leads to it any more.
COMMENT ON COLUMN erasures.kept IS 'not personal';
