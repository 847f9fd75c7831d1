-- Complaints about the use of personal data (Data Protection Act 2018, section 164A).
CREATE TABLE privacy_complaints (
    privacy_complaint_id uuid NOT NULL,
    owner_sub text,
    email text,
    name text NOT NULL DEFAULT '',
    text text NOT NULL,
    outcome text,
    origin text NOT NULL,
    state text NOT NULL,
    receive_time timestamptz NOT NULL,
    acknowledge_due_time timestamptz NOT NULL,
    alerts integer NOT NULL DEFAULT 0,
    acknowledge_time timestamptz,
    progress_time timestamptz,
    answer_time timestamptz,
    create_time timestamptz NOT NULL,
    CONSTRAINT privacy_complaints_pkey PRIMARY KEY (privacy_complaint_id),
    CONSTRAINT privacy_complaints_origin CHECK (origin IN ('ACCOUNT', 'STAFF', 'SUPPORT')),
    CONSTRAINT privacy_complaints_state CHECK (state IN ('RECEIVED', 'ACKNOWLEDGED', 'ANSWERED')),
    CONSTRAINT privacy_complaints_acknowledge_time CHECK ((state = 'RECEIVED') = (acknowledge_time IS NULL)),
    CONSTRAINT privacy_complaints_answer_time CHECK ((state = 'ANSWERED') = (answer_time IS NOT NULL))
);

-- Lists, newest first: all of them, those in one state, and one person's.
CREATE INDEX privacy_complaints_newest ON privacy_complaints (create_time DESC, privacy_complaint_id DESC);
CREATE INDEX privacy_complaints_state_newest ON privacy_complaints (state, create_time DESC, privacy_complaint_id DESC);
CREATE INDEX privacy_complaints_owner_newest ON privacy_complaints (owner_sub, create_time DESC, privacy_complaint_id DESC);
CREATE INDEX privacy_complaints_email_newest ON privacy_complaints (email, create_time DESC, privacy_complaint_id DESC);
-- What the sweep looks for, and the metrics count: complaints without an outcome.
CREATE INDEX privacy_complaints_open ON privacy_complaints (acknowledge_due_time) WHERE state <> 'ANSWERED';

COMMENT ON TABLE privacy_complaints IS
    'Complaints about the use of personal data. subject: sub owner_sub, email email; erase: pseudonymise; clock: receive_time';
COMMENT ON COLUMN privacy_complaints.privacy_complaint_id IS 'not personal';
COMMENT ON COLUMN privacy_complaints.owner_sub IS 'personal: IDENTIFIER; keep: 2y';
-- Null for a letter without an address: staff write letters then.
COMMENT ON COLUMN privacy_complaints.email IS 'personal: EMAIL; keep: 2y';
COMMENT ON COLUMN privacy_complaints.name IS 'personal: NAME; keep: 2y';
COMMENT ON COLUMN privacy_complaints.text IS 'personal: MESSAGE; keep: 2y';
-- As the person was told.
COMMENT ON COLUMN privacy_complaints.outcome IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN privacy_complaints.origin IS 'not personal';
COMMENT ON COLUMN privacy_complaints.state IS 'not personal';
COMMENT ON COLUMN privacy_complaints.receive_time IS 'not personal';
COMMENT ON COLUMN privacy_complaints.acknowledge_due_time IS 'not personal';
-- How many of the shares of the 30 days, of which operators are told, are over: 50, 80, 95 and 100 %.
COMMENT ON COLUMN privacy_complaints.alerts IS 'not personal';
COMMENT ON COLUMN privacy_complaints.acknowledge_time IS 'not personal';
-- When the person was told last how far it is.
COMMENT ON COLUMN privacy_complaints.progress_time IS 'not personal';
COMMENT ON COLUMN privacy_complaints.answer_time IS 'not personal';
COMMENT ON COLUMN privacy_complaints.create_time IS 'not personal';
