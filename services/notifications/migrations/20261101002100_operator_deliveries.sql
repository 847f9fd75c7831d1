-- One row per notice and channel. The start of an attempt is committed before the channel is called: an attempt without outcome
-- is one whose answer nobody knows. These channels know no idempotency keys.
CREATE TABLE operator_deliveries (
    operator_notice_id uuid NOT NULL,
    channel text NOT NULL,
    state text NOT NULL DEFAULT 'PENDING',
    begin_time timestamptz,
    unanswered integer NOT NULL DEFAULT 0,
    receipt text,
    failure text,
    CONSTRAINT operator_deliveries_pkey PRIMARY KEY (operator_notice_id, channel),
    CONSTRAINT operator_deliveries_notice FOREIGN KEY (operator_notice_id) REFERENCES operator_notices (operator_notice_id),
    CONSTRAINT operator_deliveries_channel CHECK (channel IN ('TELEGRAM', 'SLACK', 'WHATSAPP')),
    CONSTRAINT operator_deliveries_state CHECK (state IN ('PENDING', 'SENT', 'FAILED', 'IN_DOUBT')),
    -- Whatever claims to be sent holds the evidence, and whatever was not sent says why.
    CONSTRAINT operator_deliveries_receipt CHECK ((state = 'SENT') = (receipt IS NOT NULL)),
    CONSTRAINT operator_deliveries_failure CHECK (state NOT IN ('FAILED', 'IN_DOUBT') OR failure IS NOT NULL),
    CONSTRAINT operator_deliveries_unanswered CHECK (unanswered >= 0)
);

COMMENT ON TABLE operator_deliveries IS 'What became of each notice on each channel.';
COMMENT ON COLUMN operator_deliveries.operator_notice_id IS 'not personal';
COMMENT ON COLUMN operator_deliveries.channel IS 'not personal';
COMMENT ON COLUMN operator_deliveries.state IS 'not personal';
-- When the attempt began whose outcome is not stored yet.
COMMENT ON COLUMN operator_deliveries.begin_time IS 'not personal';
-- How many attempts had no answer: after each of them the channel may have the notice.
COMMENT ON COLUMN operator_deliveries.unanswered IS 'not personal';
COMMENT ON COLUMN operator_deliveries.receipt IS 'not personal';
COMMENT ON COLUMN operator_deliveries.failure IS 'not personal';
