-- Copies of personal data. The archive is in the storage, encrypted, under a key made of ids. A row exists before the archive and
-- after it, so that no archive is ever without a row.
CREATE TABLE data_exports (
    data_request_id uuid NOT NULL,
    state text NOT NULL,
    build_number integer NOT NULL,
    build_lease_until timestamptz,
    link_hash bytea,
    link_expire_time timestamptz,
    row_count bigint NOT NULL DEFAULT 0,
    file_count bigint NOT NULL DEFAULT 0,
    size_bytes bigint NOT NULL DEFAULT 0,
    download_count integer NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL,
    ready_time timestamptz,
    delete_time timestamptz NOT NULL,
    places text[] NOT NULL,
    away_time timestamptz,
    CONSTRAINT data_exports_pkey PRIMARY KEY (data_request_id),
    CONSTRAINT data_exports_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id),
    CONSTRAINT data_exports_link_hash_key UNIQUE (link_hash),
    CONSTRAINT data_exports_state CHECK (state IN ('BUILDING', 'READY', 'DELETED')),
    CONSTRAINT data_exports_ready CHECK (state <> 'READY' OR (ready_time IS NOT NULL AND link_hash IS NOT NULL))
);

-- What the sweep removes.
CREATE INDEX data_exports_to_delete ON data_exports (delete_time) WHERE state <> 'DELETED';

COMMENT ON TABLE data_exports IS 'Copies of personal data.';
COMMENT ON COLUMN data_exports.data_request_id IS 'not personal';
COMMENT ON COLUMN data_exports.state IS 'not personal';
-- Each build writes an archive of its own: a slow build that was given up never writes into the archive of another.
COMMENT ON COLUMN data_exports.build_number IS 'not personal';
COMMENT ON COLUMN data_exports.build_lease_until IS 'not personal';
COMMENT ON COLUMN data_exports.link_hash IS 'not personal (hash of a random secret)';
COMMENT ON COLUMN data_exports.link_expire_time IS 'not personal';
COMMENT ON COLUMN data_exports.row_count IS 'not personal';
COMMENT ON COLUMN data_exports.file_count IS 'not personal';
COMMENT ON COLUMN data_exports.size_bytes IS 'not personal';
COMMENT ON COLUMN data_exports.download_count IS 'not personal';
COMMENT ON COLUMN data_exports.create_time IS 'not personal';
COMMENT ON COLUMN data_exports.ready_time IS 'not personal';
COMMENT ON COLUMN data_exports.delete_time IS 'not personal';
-- The names of the storages where an archive of one of its builds may be. A name says which bucket, or which folder of Google Drive.
COMMENT ON COLUMN data_exports.places IS 'not personal';
-- When operators were told that it has to be removed from a storage that is not set any more.
COMMENT ON COLUMN data_exports.away_time IS 'not personal';
