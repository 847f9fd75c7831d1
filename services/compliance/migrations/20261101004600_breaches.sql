-- The register of breaches of personal data (GDPR, article 33(5)). The texts name nobody: who is affected is in no table.
CREATE TABLE breaches (
    breach_id uuid NOT NULL,
    state text NOT NULL,
    description text NOT NULL,
    data_kinds text[] NOT NULL,
    people_count bigint NOT NULL,
    consequences text NOT NULL,
    measures text NOT NULL,
    aware_time timestamptz NOT NULL,
    due_time timestamptz NOT NULL,
    alerts integer NOT NULL DEFAULT 0,
    regulator_notice_time timestamptz,
    regulator_reference text,
    delay_reasons text,
    exempt_time timestamptz,
    exempt_reasons text,
    people_notice_time timestamptz,
    people_notice_count bigint,
    people_notice_means text,
    people_untold_reasons text,
    close_time timestamptz,
    create_time timestamptz NOT NULL,
    CONSTRAINT breaches_pkey PRIMARY KEY (breach_id),
    CONSTRAINT breaches_state CHECK (state IN ('OPEN', 'NOTIFIED', 'NOT_NOTIFIABLE', 'CLOSED')),
    CONSTRAINT breaches_people_count CHECK (people_count >= 0),
    CONSTRAINT breaches_regulator_notice CHECK (state <> 'NOTIFIED' OR regulator_notice_time IS NOT NULL),
    CONSTRAINT breaches_regulator_reference CHECK (regulator_notice_time IS NOT NULL OR (regulator_reference IS NULL AND delay_reasons IS NULL)),
    CONSTRAINT breaches_exemption CHECK ((exempt_time IS NULL) = (exempt_reasons IS NULL)),
    CONSTRAINT breaches_not_notifiable CHECK (state <> 'NOT_NOTIFIABLE' OR exempt_time IS NOT NULL),
    CONSTRAINT breaches_people_notice CHECK (
        (people_notice_time IS NULL) = (people_notice_count IS NULL) AND (people_notice_time IS NULL) = (people_notice_means IS NULL)
    ),
    CONSTRAINT breaches_close_time CHECK ((state = 'CLOSED') = (close_time IS NOT NULL)),
    CONSTRAINT breaches_decided CHECK (state <> 'CLOSED' OR regulator_notice_time IS NOT NULL OR exempt_time IS NOT NULL)
);

-- Lists, newest first: all of them, and those in one state.
CREATE INDEX breaches_newest ON breaches (create_time DESC, breach_id DESC);
CREATE INDEX breaches_state_newest ON breaches (state, create_time DESC, breach_id DESC);
-- What the sweep looks for, and the metrics count: breaches whose 72 hours run, or are over.
CREATE INDEX breaches_open ON breaches (due_time) WHERE state = 'OPEN';

COMMENT ON TABLE breaches IS 'Breaches of personal data.';
COMMENT ON COLUMN breaches.breach_id IS 'not personal';
COMMENT ON COLUMN breaches.state IS 'not personal';
COMMENT ON COLUMN breaches.description IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.data_kinds IS 'not personal';
-- About how many people are affected. 0: nobody knows yet.
COMMENT ON COLUMN breaches.people_count IS 'not personal';
COMMENT ON COLUMN breaches.consequences IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.measures IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.aware_time IS 'not personal';
COMMENT ON COLUMN breaches.due_time IS 'not personal';
-- How many of the shares of the 72 hours, of which operators are told, are over: 50, 80, 95 and 100 %.
COMMENT ON COLUMN breaches.alerts IS 'not personal';
COMMENT ON COLUMN breaches.regulator_notice_time IS 'not personal';
COMMENT ON COLUMN breaches.regulator_reference IS 'not personal';
COMMENT ON COLUMN breaches.delay_reasons IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.exempt_time IS 'not personal';
COMMENT ON COLUMN breaches.exempt_reasons IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.people_notice_time IS 'not personal';
COMMENT ON COLUMN breaches.people_notice_count IS 'not personal';
COMMENT ON COLUMN breaches.people_notice_means IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.people_untold_reasons IS 'not personal (staff name nobody in it)';
COMMENT ON COLUMN breaches.close_time IS 'not personal';
COMMENT ON COLUMN breaches.create_time IS 'not personal';
