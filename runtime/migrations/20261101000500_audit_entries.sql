-- Who did what to which ids, each entry bound to the one before by its hash. Ids and pseudonyms only, so that erasing a person
-- leaves the chain whole. The head row is the chain's lock.
CREATE TABLE runtime.audit_entries (
    sequence bigint PRIMARY KEY,
    record_time timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    ids jsonb NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL
);
-- For lists of people, newest first.
CREATE INDEX audit_entries_record_time ON runtime.audit_entries (record_time, sequence);
CREATE INDEX audit_entries_action ON runtime.audit_entries (action, record_time, sequence);
CREATE INDEX audit_entries_actor ON runtime.audit_entries (actor, record_time, sequence);
COMMENT ON COLUMN runtime.audit_entries.sequence IS 'not personal';
COMMENT ON COLUMN runtime.audit_entries.record_time IS 'not personal';
COMMENT ON COLUMN runtime.audit_entries.actor IS 'not personal';
COMMENT ON COLUMN runtime.audit_entries.action IS 'not personal';
COMMENT ON COLUMN runtime.audit_entries.ids IS 'not personal';
COMMENT ON COLUMN runtime.audit_entries.previous_hash IS 'not personal';
COMMENT ON COLUMN runtime.audit_entries.hash IS 'not personal';

-- Whose the pseudonyms are. Erasing a person deletes their rows here, and nothing of the chain.
CREATE TABLE runtime.audit_actors (
    pseudonym text PRIMARY KEY,
    sub text NOT NULL
);
CREATE INDEX audit_actors_sub ON runtime.audit_actors (sub);
COMMENT ON TABLE runtime.audit_actors IS
    'Who the pseudonyms of the audit chain are. subject: sub sub; erase: delete';
COMMENT ON COLUMN runtime.audit_actors.pseudonym IS 'not personal';
COMMENT ON COLUMN runtime.audit_actors.sub IS 'personal: IDENTIFIER; keep: until erasure';

CREATE TABLE runtime.audit_head (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT audit_head_singleton CHECK (singleton),
    sequence bigint NOT NULL,
    hash bytea NOT NULL
);
COMMENT ON COLUMN runtime.audit_head.singleton IS 'not personal';
COMMENT ON COLUMN runtime.audit_head.sequence IS 'not personal';
COMMENT ON COLUMN runtime.audit_head.hash IS 'not personal';
INSERT INTO runtime.audit_head (sequence, hash) VALUES (0, '\x');

-- Entries are appended, never changed or removed.
CREATE FUNCTION runtime.refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'audit entries are append-only'; END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON runtime.audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION runtime.refuse_change();
