-- The last calls of each caller to RPCs that guard codes (class CODE), for the limit of such calls. A caller is an account, a service, or
-- the address of somebody without a token: here only a keyed hash of it, which nobody can turn back. A row is removed when its calls are
-- too old to count.
CREATE TABLE runtime.code_callers (
    caller_hash bytea NOT NULL,
    call_times timestamptz [] NOT NULL,
    expire_time timestamptz NOT NULL,
    CONSTRAINT code_callers_pkey PRIMARY KEY (caller_hash)
);
CREATE INDEX code_callers_expire_time ON runtime.code_callers (expire_time);
COMMENT ON COLUMN runtime.code_callers.caller_hash IS 'not personal (a keyed hash)';
-- Newest first, and no more than the limit allows.
COMMENT ON COLUMN runtime.code_callers.call_times IS 'not personal';
COMMENT ON COLUMN runtime.code_callers.expire_time IS 'not personal';
