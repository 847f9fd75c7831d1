-- Deferred calls: RPCs to be made later. A call that was made is deleted; one that failed for good stays, DEAD.
CREATE TABLE runtime.work (
    work_id uuid PRIMARY KEY,
    rpc text NOT NULL,
    lane text NOT NULL DEFAULT '',
    target text NOT NULL GENERATED ALWAYS AS (coalesce(substring(rpc FROM '^(.*)[.]'), rpc) || lane) STORED,
    request bytea NOT NULL,
    idempotency_key text NOT NULL,
    state text NOT NULL DEFAULT 'WAITING' CONSTRAINT work_state CHECK (state IN ('WAITING', 'DEAD')),
    due_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    leased_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    failure text NOT NULL DEFAULT '',
    trace_parent text NOT NULL DEFAULT '',
    CONSTRAINT work_rpc_idempotency_key_key UNIQUE (rpc, idempotency_key)
);
CREATE INDEX work_due ON runtime.work (due_time) WHERE state = 'WAITING';
-- Claims take of each target what it has places for.
CREATE INDEX work_due_by_target ON runtime.work (target, due_time) WHERE state = 'WAITING';
CREATE INDEX work_dead ON runtime.work (create_time) WHERE state = 'DEAD';
CREATE INDEX work_create_time ON runtime.work (create_time);
COMMENT ON TABLE runtime.work IS
    'Calls that wait to be made. subject: text request; erase: delete; clock: create_time';
COMMENT ON COLUMN runtime.work.work_id IS 'not personal';
COMMENT ON COLUMN runtime.work.rpc IS 'not personal';
-- Calls that may come in great numbers have a lane, so that they delay no other calls of their package.
COMMENT ON COLUMN runtime.work.lane IS 'not personal';
-- The package of the RPC, and the lane: the calls of a service have one in common, but for those with a lane.
COMMENT ON COLUMN runtime.work.target IS 'not personal';
COMMENT ON COLUMN runtime.work.request IS 'personal: MESSAGE; keep: 90d';
COMMENT ON COLUMN runtime.work.idempotency_key IS 'not personal';
COMMENT ON COLUMN runtime.work.state IS 'not personal';
COMMENT ON COLUMN runtime.work.due_time IS 'not personal';
COMMENT ON COLUMN runtime.work.create_time IS 'not personal';
COMMENT ON COLUMN runtime.work.attempts IS 'not personal';
COMMENT ON COLUMN runtime.work.leased_until IS 'not personal';
COMMENT ON COLUMN runtime.work.fence IS 'not personal';
COMMENT ON COLUMN runtime.work.failure IS 'not personal';
COMMENT ON COLUMN runtime.work.trace_parent IS 'not personal';
