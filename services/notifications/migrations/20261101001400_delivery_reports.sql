-- What a provider said became of a message after it took it: of each kind the first, so that the rows are the same in whatever
-- order the events come, and however often.
CREATE TABLE delivery_reports (
    message_id uuid NOT NULL,
    outcome text NOT NULL,
    report_time timestamptz NOT NULL,
    detail text NOT NULL DEFAULT '',
    reply_class text,
    CONSTRAINT delivery_reports_pkey PRIMARY KEY (message_id, outcome),
    CONSTRAINT delivery_reports_message FOREIGN KEY (message_id) REFERENCES messages (message_id),
    CONSTRAINT delivery_reports_reply_class CHECK (
        reply_class IN ('HARD', 'SOFT', 'FULL', 'RATE', 'POLICY', 'CONTENT', 'RELAY', 'UNKNOWN')
    ),
    CONSTRAINT delivery_reports_outcome CHECK (
        outcome IN ('DELAYED', 'DELIVERED', 'FAILED', 'BOUNCED_SOFT', 'SUPPRESSED', 'BOUNCED_HARD', 'COMPLAINED')
    )
);

COMMENT ON TABLE delivery_reports IS 'What a provider said became of a message after it took it.';
COMMENT ON COLUMN delivery_reports.message_id IS 'not personal';
COMMENT ON COLUMN delivery_reports.outcome IS 'not personal';
COMMENT ON COLUMN delivery_reports.report_time IS 'not personal';
-- Names of the provider's, such as Permanent/Suppressed; never its text.
COMMENT ON COLUMN delivery_reports.detail IS 'not personal';
-- What the reply of the recipient's server says (src/domain/reply_rules.txt).
COMMENT ON COLUMN delivery_reports.reply_class IS 'not personal';
