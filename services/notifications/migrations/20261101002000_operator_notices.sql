-- One row per fact that operators were told of. While a notice is open, the same fact is counted in its row and not told again.
-- A row that was never told (times = 0) is an end that came before its notice.
CREATE TABLE operator_notices (
    operator_notice_id uuid NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    about text NOT NULL,
    text text NOT NULL,
    link text NOT NULL DEFAULT '',
    source text NOT NULL,
    times integer NOT NULL,
    create_time timestamptz NOT NULL,
    last_report_time timestamptz NOT NULL,
    end_time timestamptz,
    CONSTRAINT operator_notices_pkey PRIMARY KEY (operator_notice_id),
    CONSTRAINT operator_notices_severity CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    CONSTRAINT operator_notices_times CHECK (times > 0 OR (times = 0 AND end_time IS NOT NULL))
);

-- Told once until it is over.
CREATE UNIQUE INDEX operator_notices_open ON operator_notices (kind, about) WHERE end_time IS NULL;
-- When a fact was last over, so that its notice is not told after its end.
CREATE INDEX operator_notices_ended ON operator_notices (kind, about, end_time DESC) WHERE end_time IS NOT NULL;
-- Lists, newest first: all of them, and the open ones.
CREATE INDEX operator_notices_newest ON operator_notices (create_time DESC, operator_notice_id DESC) WHERE times > 0;
CREATE INDEX operator_notices_open_newest ON operator_notices (create_time DESC, operator_notice_id DESC)
    WHERE end_time IS NULL;
-- What digests name.
CREATE INDEX operator_notices_troubles ON operator_notices (create_time DESC, operator_notice_id DESC)
    WHERE end_time IS NULL AND severity <> 'INFO';

COMMENT ON TABLE operator_notices IS 'What operators were told, and how often it happened. It names nobody.';
COMMENT ON COLUMN operator_notices.operator_notice_id IS 'not personal';
COMMENT ON COLUMN operator_notices.kind IS 'not personal';
COMMENT ON COLUMN operator_notices.severity IS 'not personal';
COMMENT ON COLUMN operator_notices.about IS 'not personal';
COMMENT ON COLUMN operator_notices.text IS 'not personal';
COMMENT ON COLUMN operator_notices.link IS 'not personal';
-- The service that reported it.
COMMENT ON COLUMN operator_notices.source IS 'not personal';
COMMENT ON COLUMN operator_notices.times IS 'not personal';
COMMENT ON COLUMN operator_notices.create_time IS 'not personal';
COMMENT ON COLUMN operator_notices.last_report_time IS 'not personal';
COMMENT ON COLUMN operator_notices.end_time IS 'not personal';
