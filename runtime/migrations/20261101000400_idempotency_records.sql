-- Answers remembered by idempotency key, written in the transaction of the effect.
CREATE TABLE runtime.idempotency_records (
    caller text NOT NULL,
    rpc text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (caller, rpc, idempotency_key)
);
CREATE INDEX idempotency_records_expire_time ON runtime.idempotency_records (expire_time);
COMMENT ON TABLE runtime.idempotency_records IS
    'Answers that are given again. subject: caller caller, text response; erase: delete; clock: create_time';
COMMENT ON COLUMN runtime.idempotency_records.caller IS 'personal: IDENTIFIER; keep: 90d';
COMMENT ON COLUMN runtime.idempotency_records.rpc IS 'not personal';
COMMENT ON COLUMN runtime.idempotency_records.idempotency_key IS 'not personal';
COMMENT ON COLUMN runtime.idempotency_records.request_hash IS 'not personal';
COMMENT ON COLUMN runtime.idempotency_records.response IS 'personal: MESSAGE; keep: 90d';
COMMENT ON COLUMN runtime.idempotency_records.create_time IS 'not personal';
COMMENT ON COLUMN runtime.idempotency_records.expire_time IS 'not personal';
