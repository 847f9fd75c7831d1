-- What erasures have done in this database: a row per erasure and table. It is the receipt, and it lets an erasure go on after a
-- crash. Nobody can be found by it.
CREATE TABLE runtime.erasures (
    erasure_id uuid NOT NULL,
    table_name text NOT NULL,
    erased_rows bigint NOT NULL,
    complete_time timestamptz,
    CONSTRAINT erasure_tables_pkey PRIMARY KEY (erasure_id, table_name)
);
-- What was erased since an instant.
CREATE INDEX erasure_tables_complete ON runtime.erasures (complete_time) WHERE table_name = '';

COMMENT ON COLUMN runtime.erasures.erasure_id IS 'not personal';
-- Empty in the row of the whole erasure, which says when it was complete.
COMMENT ON COLUMN runtime.erasures.table_name IS 'not personal';
COMMENT ON COLUMN runtime.erasures.erased_rows IS 'not personal';
COMMENT ON COLUMN runtime.erasures.complete_time IS 'not personal';
