-- What people asked for by the rights that they have over their data. The person's identifiers are in `subject`, as far as the
-- services know them.
CREATE TABLE data_requests (
    data_request_id uuid NOT NULL,
    owner_sub text,
    email text NOT NULL,
    entitlement text NOT NULL,
    origin text NOT NULL,
    state text NOT NULL,
    subject jsonb NOT NULL,
    obstacles text[] NOT NULL DEFAULT '{}',
    corrected_name text,
    wrong_email text,
    objected text,
    objection_ends boolean NOT NULL DEFAULT false,
    withdrawn text[] NOT NULL DEFAULT '{}',
    shown_version text NOT NULL DEFAULT '',
    shown_sha256 text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL,
    due_time timestamptz,
    alerts integer NOT NULL DEFAULT 0,
    erase_time timestamptz,
    finish_time timestamptz,
    CONSTRAINT data_requests_pkey PRIMARY KEY (data_request_id),
    CONSTRAINT data_requests_entitlement CHECK (
        entitlement IN (
            'ACCESS', 'PORTABILITY', 'ERASURE', 'RECTIFICATION', 'RESTRICTION', 'OBJECTION', 'CONSENT_WITHDRAWAL'
        )
    ),
    CONSTRAINT data_requests_corrected_name CHECK (corrected_name IS NULL OR entitlement = 'RECTIFICATION'),
    CONSTRAINT data_requests_wrong_email CHECK (wrong_email IS NULL OR entitlement = 'RECTIFICATION'),
    CONSTRAINT data_requests_objected CHECK ((objected IS NOT NULL) = (entitlement = 'OBJECTION')),
    CONSTRAINT data_requests_withdrawn CHECK ((withdrawn <> '{}') = (entitlement = 'CONSENT_WITHDRAWAL')),
    CONSTRAINT data_requests_shown_sha256 CHECK (length(shown_sha256) IN (0, 64)),
    CONSTRAINT data_requests_origin CHECK (origin IN ('ACCOUNT', 'MAIL', 'STAFF')),
    CONSTRAINT data_requests_state CHECK (
        state IN (
            'AWAITING_CODE', 'RECEIVED', 'AWAITING_APPROVAL', 'SCHEDULED', 'IN_PROGRESS', 'WAITING', 'DONE', 'CANCELLED', 'EXPIRED',
            'REFUSED'
        )
    ),
    CONSTRAINT data_requests_subject CHECK (jsonb_typeof(subject) = 'object'),
    -- The time to answer runs once the person has proven who they are.
    CONSTRAINT data_requests_due_time CHECK ((due_time IS NULL) = (state IN ('AWAITING_CODE', 'EXPIRED'))),
    CONSTRAINT data_requests_finish_time CHECK (
        (finish_time IS NOT NULL) = (state IN ('DONE', 'CANCELLED', 'EXPIRED', 'REFUSED'))
    ),
    CONSTRAINT data_requests_erase_time CHECK (
        erase_time IS NOT NULL OR state NOT IN ('SCHEDULED', 'WAITING')
    )
);

-- Lists, newest first: all of them, and one person's; and how often a person asked lately.
CREATE INDEX data_requests_newest ON data_requests (create_time DESC, data_request_id DESC);
CREATE INDEX data_requests_state_newest ON data_requests (state, create_time DESC, data_request_id DESC);
CREATE INDEX data_requests_owner_newest ON data_requests (owner_sub, create_time DESC, data_request_id DESC);
CREATE INDEX data_requests_email_newest ON data_requests (email, create_time DESC, data_request_id DESC);
-- What the metrics count: requests that are not answered yet, by their time.
CREATE INDEX data_requests_due ON data_requests (due_time) WHERE finish_time IS NULL AND due_time IS NOT NULL;
CREATE INDEX data_requests_to_alert ON data_requests (due_time) WHERE finish_time IS NULL AND due_time IS NOT NULL AND alerts < 3;
-- What the sweep looks for: the erasures that are due, and what waits for a code.
CREATE INDEX data_requests_to_erase ON data_requests (erase_time) WHERE state IN ('SCHEDULED', 'WAITING', 'IN_PROGRESS');
CREATE INDEX data_requests_to_expire ON data_requests (create_time) WHERE state = 'AWAITING_CODE';

COMMENT ON TABLE data_requests IS
    'Requests about personal data. subject: sub owner_sub, email email; erase: pseudonymise; once: finish_time IS NOT NULL; end: state = CASE WHEN finish_time IS NOT NULL THEN state WHEN state = ''AWAITING_CODE'' THEN ''EXPIRED'' ELSE ''CANCELLED'' END, finish_time = coalesce(finish_time, runtime.now()); clock: create_time';
COMMENT ON COLUMN data_requests.data_request_id IS 'not personal';
COMMENT ON COLUMN data_requests.owner_sub IS 'personal: IDENTIFIER; keep: 1y';
COMMENT ON COLUMN data_requests.email IS 'personal: EMAIL; keep: 1y';
COMMENT ON COLUMN data_requests.entitlement IS 'not personal';
-- How the person proved who they are: by their account, by a code that went to their address, or to staff.
COMMENT ON COLUMN data_requests.origin IS 'not personal';
COMMENT ON COLUMN data_requests.state IS 'not personal';
COMMENT ON COLUMN data_requests.subject IS 'personal: IDENTIFIER; keep: 1y';
-- Names and ids of what an erasure waits for.
COMMENT ON COLUMN data_requests.obstacles IS 'not personal';
-- The right name, in a request for a correction. It is what the person wrote: a correction must not set it.
COMMENT ON COLUMN data_requests.corrected_name IS 'personal: MESSAGE; keep: 1y';
-- A wrong address of the person, which `email` replaces.
COMMENT ON COLUMN data_requests.wrong_email IS 'personal: EMAIL; keep: 1y';
-- What an objection is about, and whether it ends one.
COMMENT ON COLUMN data_requests.objected IS 'not personal';
COMMENT ON COLUMN data_requests.objection_ends IS 'not personal';
-- The purposes of the consents that are withdrawn.
COMMENT ON COLUMN data_requests.withdrawn IS 'not personal';
-- What was shown to a person who objects or withdraws: its version, and the hash of its text.
COMMENT ON COLUMN data_requests.shown_version IS 'not personal';
COMMENT ON COLUMN data_requests.shown_sha256 IS 'not personal';
COMMENT ON COLUMN data_requests.create_time IS 'not personal';
COMMENT ON COLUMN data_requests.due_time IS 'not personal';
-- How many of the shares of the time, of which operators are told, are over.
COMMENT ON COLUMN data_requests.alerts IS 'not personal';
COMMENT ON COLUMN data_requests.erase_time IS 'not personal';
COMMENT ON COLUMN data_requests.finish_time IS 'not personal';
