-- Who objects to what is done with their data, as compliance told this service. A row is about an id or about an address: one person
-- has a row for each.
CREATE TABLE runtime.objections (
    objection_id uuid NOT NULL,
    owner_sub text,
    email text,
    scope text NOT NULL,
    stands boolean NOT NULL,
    change_time timestamptz NOT NULL,
    CONSTRAINT objections_pkey PRIMARY KEY (objection_id),
    CONSTRAINT objections_of_one CHECK (num_nonnulls(owner_sub, email) = 1),
    CONSTRAINT objections_scope CHECK (scope IN ('MARKETING', 'PROFILING', 'AUTOMATION', 'ANALYTICS'))
);
CREATE UNIQUE INDEX objections_owner ON runtime.objections (owner_sub, scope) WHERE owner_sub IS NOT NULL;
CREATE UNIQUE INDEX objections_email ON runtime.objections (email, scope) WHERE email IS NOT NULL;

COMMENT ON TABLE runtime.objections IS
    'Who objects to what is done with their data. subject: sub owner_sub, email email; erase: delete';
COMMENT ON COLUMN runtime.objections.objection_id IS 'not personal';
COMMENT ON COLUMN runtime.objections.owner_sub IS 'personal: IDENTIFIER; keep: until erasure';
COMMENT ON COLUMN runtime.objections.email IS 'personal: EMAIL; keep: until erasure';
COMMENT ON COLUMN runtime.objections.scope IS 'not personal';
-- False: the person objected once, and does not any more.
COMMENT ON COLUMN runtime.objections.stands IS 'not personal';
COMMENT ON COLUMN runtime.objections.change_time IS 'not personal';
