-- What corrections of personal data (GDPR, article 16) have done in this database: a row per correction and table. It is the receipt, and it
-- lets a correction go on after a crash. Nobody can be found by it.
CREATE TABLE runtime.rectifications (
    rectification_id uuid NOT NULL,
    table_name text NOT NULL,
    rectified_rows bigint NOT NULL,
    complete_time timestamptz,
    CONSTRAINT rectified_rows_pkey PRIMARY KEY (rectification_id, table_name)
);
COMMENT ON COLUMN runtime.rectifications.rectification_id IS 'not personal';
-- Empty in the row of the whole correction, which says when it was complete.
COMMENT ON COLUMN runtime.rectifications.table_name IS 'not personal';
COMMENT ON COLUMN runtime.rectifications.rectified_rows IS 'not personal';
COMMENT ON COLUMN runtime.rectifications.complete_time IS 'not personal';
