-- Files of orders. The content is in the storage, under a key made of both ids. A row exists before its content is written and
-- after it is removed, so that no content is ever without a row.
CREATE TABLE order_files (
    file_id uuid NOT NULL,
    order_id uuid NOT NULL,
    uploader text NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    content_type text,
    size_bytes bigint,
    create_time timestamptz NOT NULL,
    sweep_time timestamptz,
    CONSTRAINT order_files_pkey PRIMARY KEY (file_id),
    CONSTRAINT order_files_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT order_files_uploader CHECK (uploader IN ('CUSTOMER', 'STAFF')),
    CONSTRAINT order_files_state CHECK (state IN ('UPLOADING', 'STORED', 'DELETED')),
    -- What is stored is known, and is not swept. Everything else is swept at some time.
    CONSTRAINT order_files_stored CHECK (
        state <> 'STORED' OR (content_type IS NOT NULL AND size_bytes > 0 AND sweep_time IS NULL)
    ),
    CONSTRAINT order_files_swept CHECK (state = 'STORED' OR sweep_time IS NOT NULL)
);

CREATE INDEX order_files_order ON order_files (order_id, create_time);
CREATE INDEX order_files_sweep ON order_files (sweep_time) WHERE sweep_time IS NOT NULL;

COMMENT ON TABLE order_files IS
    'Files of orders.
    subject: order_id of orders.order_id; erase: pseudonymise; set: state = ''DELETED'', sweep_time = runtime.now(); file: orders/{order_id}/{file_id}; clock: create_time';
COMMENT ON COLUMN order_files.file_id IS 'not personal';
COMMENT ON COLUMN order_files.order_id IS 'not personal';
COMMENT ON COLUMN order_files.uploader IS 'not personal';
COMMENT ON COLUMN order_files.name IS 'personal: MESSAGE; keep: 7y';
COMMENT ON COLUMN order_files.state IS 'not personal';
COMMENT ON COLUMN order_files.content_type IS 'not personal';
COMMENT ON COLUMN order_files.size_bytes IS 'not personal';
COMMENT ON COLUMN order_files.create_time IS 'not personal';
COMMENT ON COLUMN order_files.sweep_time IS 'not personal';
