-- What each run of the retention periods did in each service: a row for each service and run, which is there before the service is
-- asked. It holds counts, and no data about people.
CREATE TABLE retention_reports (
    retention_report_id uuid NOT NULL,
    service text NOT NULL,
    state text NOT NULL,
    outcomes jsonb NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT retention_reports_pkey PRIMARY KEY (retention_report_id),
    CONSTRAINT retention_reports_state CHECK (state IN ('COMPLETE', 'INCOMPLETE', 'UNANSWERED'))
);

-- Lists, newest first: all of them, and those in one state.
CREATE INDEX retention_reports_newest ON retention_reports (create_time DESC, retention_report_id DESC);
CREATE INDEX retention_reports_state_newest ON retention_reports (state, create_time DESC, retention_report_id DESC);

COMMENT ON TABLE retention_reports IS 'What the retention periods erased.';
COMMENT ON COLUMN retention_reports.retention_report_id IS 'not personal';
COMMENT ON COLUMN retention_reports.service IS 'not personal';
COMMENT ON COLUMN retention_reports.state IS 'not personal';
-- For each table and period: how many rows were erased, and the time of the oldest row that the table has.
COMMENT ON COLUMN retention_reports.outcomes IS 'not personal';
COMMENT ON COLUMN retention_reports.create_time IS 'not personal';
