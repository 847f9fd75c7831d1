-- Stripe's events, as they came: verified and stored first, understood afterwards. The table is its own work list.
-- The id alone is the key, as at Stripe: an id that comes again with another instant or body is the same event.
CREATE TABLE stripe_events (
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    event_id text NOT NULL,
    create_time timestamptz NOT NULL,
    type text NOT NULL,
    api_version text,
    livemode boolean,
    account text,
    object_id text,
    stripe_customer_id text,
    lease_key text NOT NULL,
    body bytea,
    state text NOT NULL DEFAULT 'PENDING',
    ignore_reason text,
    attempts integer NOT NULL DEFAULT 0,
    replays integer NOT NULL DEFAULT 0,
    taken_up boolean NOT NULL DEFAULT false,
    due_time timestamptz NOT NULL DEFAULT runtime.now(),
    receive_time timestamptz NOT NULL DEFAULT runtime.now(),
    process_time timestamptz,
    failure text,
    trace_parent text NOT NULL DEFAULT '',
    CONSTRAINT stripe_events_key PRIMARY KEY (event_id)
);

-- Whatever claims to be done with says when, and nothing else does; whatever is quarantined says why. A trigger, since
-- PostgreSQL reads and plans CHECK constraints anew in every statement, which costs several times what the test itself does;
-- and not of inserts, which write first states alone and what goes with each in the same statement, and would pay a tenth more.
CREATE FUNCTION refuse_impossible_stripe_event() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (
        CASE new.state
            WHEN 'PENDING' THEN new.process_time IS NULL
            WHEN 'PROCESSED' THEN new.process_time IS NOT NULL
            WHEN 'IGNORED' THEN new.process_time IS NOT NULL
            WHEN 'QUARANTINED' THEN new.process_time IS NULL AND new.failure IS NOT NULL
            ELSE false
        END
    ) OR (new.ignore_reason IS NOT NULL AND new.state <> 'IGNORED')
      OR new.attempts < 0 OR new.replays < 0 THEN
        RAISE check_violation USING
            MESSAGE = 'an event cannot be in this state', TABLE = 'stripe_events', CONSTRAINT = 'stripe_events_possible';
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER stripe_events_possible BEFORE UPDATE OF state, ignore_reason, process_time, failure, attempts, replays ON stripe_events
    FOR EACH ROW EXECUTE FUNCTION refuse_impossible_stripe_event();

-- An event as it arrives: an array of these is the only parameter of the statement that stores them. Never altered, since the
-- version before still sends it while an upgrade rolls: other fields make a type of another name.
CREATE TYPE stripe_event_arrival AS (
    event_id text,
    create_time timestamptz,
    type text,
    api_version text,
    livemode boolean,
    account text,
    object_id text,
    stripe_customer_id text,
    lease_key text,
    body bytea,
    trace_parent text,
    state text,
    ignore_reason text
);

-- What the workers claim, oldest first, and what they load of one key.
CREATE INDEX stripe_events_due ON stripe_events (due_time) WHERE state = 'PENDING';
CREATE INDEX stripe_events_pending_of_key ON stripe_events (lease_key, sequence) WHERE state = 'PENDING';
-- Lists, newest first.
CREATE INDEX stripe_events_newest ON stripe_events (receive_time DESC);
-- What a version that handles more types than the one before takes up again; what the status counts, and the purge looks
-- through; and lists of one state or type. One index, since each costs every statement that writes. The reason stands last,
-- so that looking for what is ignored for its type does not walk through what is ignored because it is not ours; and after it
-- the mode, so that looking for events whose mode is acted on now does not walk through those of the other one.
CREATE INDEX stripe_events_state_type ON stripe_events (state, type, ignore_reason, livemode);
-- What the purge looks for.
CREATE INDEX stripe_events_to_purge ON stripe_events (process_time)
    WHERE process_time IS NOT NULL AND body IS NOT NULL;

COMMENT ON TABLE stripe_events IS
    'Every event that Stripe sent with a good signature, and how far its processing is.
    subject: stripe stripe_customer_id, text body; erase: pseudonymise; once: state <> ''PENDING''; end: ignore_reason = CASE state WHEN ''PENDING'' THEN ''SUBJECT_ERASED'' ELSE ignore_reason END, process_time = CASE state WHEN ''PENDING'' THEN runtime.now() ELSE process_time END, state = CASE state WHEN ''PENDING'' THEN ''IGNORED'' ELSE state END';
COMMENT ON COLUMN stripe_events.sequence IS 'not personal';
COMMENT ON COLUMN stripe_events.event_id IS 'not personal';
COMMENT ON COLUMN stripe_events.create_time IS 'not personal';
COMMENT ON COLUMN stripe_events.type IS 'not personal';
COMMENT ON COLUMN stripe_events.api_version IS 'not personal';
-- Null if the event's mode cannot be read.
COMMENT ON COLUMN stripe_events.livemode IS 'not personal';
COMMENT ON COLUMN stripe_events.account IS 'personal: IDENTIFIER; keep: until erasure';
COMMENT ON COLUMN stripe_events.object_id IS 'personal: PAYMENT; keep: until erasure';
COMMENT ON COLUMN stripe_events.stripe_customer_id IS 'personal: IDENTIFIER; keep: until erasure';
COMMENT ON COLUMN stripe_events.lease_key IS 'personal: IDENTIFIER; keep: until erasure';
COMMENT ON COLUMN stripe_events.body IS 'personal: PAYMENT; keep: 90d';
COMMENT ON COLUMN stripe_events.state IS 'not personal';
COMMENT ON COLUMN stripe_events.ignore_reason IS 'not personal';
COMMENT ON COLUMN stripe_events.attempts IS 'not personal';
COMMENT ON COLUMN stripe_events.replays IS 'not personal';
-- Whether the event was ignored, and made pending again by a version or a setting that heeds it.
COMMENT ON COLUMN stripe_events.taken_up IS 'not personal';
COMMENT ON COLUMN stripe_events.due_time IS 'not personal';
COMMENT ON COLUMN stripe_events.receive_time IS 'not personal';
COMMENT ON COLUMN stripe_events.process_time IS 'not personal';
COMMENT ON COLUMN stripe_events.failure IS 'not personal';
COMMENT ON COLUMN stripe_events.trace_parent IS 'not personal';
