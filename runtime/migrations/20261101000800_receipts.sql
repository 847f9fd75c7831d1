-- What erasures and corrections of personal data (GDPR, articles 17 and 16) have done in this database: a row for each of them and each table.
-- It is the receipt, and it lets them go on after a crash. Runs of the retention periods count their rows here, too, under a name of table and
-- period, and have no row of the whole. Nobody can be found by it.
CREATE TABLE runtime.receipts (
    receipt_id uuid NOT NULL,
    table_name text NOT NULL,
    changed_rows bigint NOT NULL,
    complete_time timestamptz,
    CONSTRAINT receipts_pkey PRIMARY KEY (receipt_id, table_name)
);
-- What was complete since an instant.
CREATE INDEX receipts_complete ON runtime.receipts (complete_time) WHERE table_name = '';

-- The id of the erasure, of the correction, or of the run of the retention periods.
COMMENT ON COLUMN runtime.receipts.receipt_id IS 'not personal';
-- Empty in the row of the whole, which says when it was complete.
COMMENT ON COLUMN runtime.receipts.table_name IS 'not personal';
COMMENT ON COLUMN runtime.receipts.changed_rows IS 'not personal';
-- Of an erasure that a restore undid: when it was recorded, so that what the person did later does not count as erased.
COMMENT ON COLUMN runtime.receipts.complete_time IS 'not personal';
