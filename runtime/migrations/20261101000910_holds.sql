-- The people whose rows must stay: because staff placed a legal hold, or because the person had the processing of their data restricted
-- (GDPR, article 18). Compliance tells this service of each change. A row is about one identifier: one person has a row for each.
CREATE TABLE runtime.holds (
    hold_row_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    kind text NOT NULL,
    owner_sub text,
    email text,
    stripe_customer text,
    stands boolean NOT NULL,
    change_time timestamptz NOT NULL,
    CONSTRAINT holds_pkey PRIMARY KEY (hold_row_id),
    CONSTRAINT holds_of_one CHECK (num_nonnulls(owner_sub, email, stripe_customer) = 1),
    CONSTRAINT holds_kind CHECK (kind IN ('LEGAL_HOLD', 'RESTRICTION'))
);
CREATE UNIQUE INDEX holds_identifier
ON runtime.holds (hold_id, coalesce(owner_sub, ''), coalesce(email, ''), coalesce(stripe_customer, ''));
CREATE INDEX holds_owner ON runtime.holds (owner_sub);
CREATE INDEX holds_email ON runtime.holds (email);
CREATE INDEX holds_stripe_customer ON runtime.holds (stripe_customer);
-- Everybody whose rows must stay now.
CREATE INDEX holds_standing ON runtime.holds (stands);

COMMENT ON TABLE runtime.holds IS
    'Whose rows must stay, by a legal hold or a restriction. subject: sub owner_sub, email email, stripe stripe_customer; erase: delete; clock: change_time';
COMMENT ON COLUMN runtime.holds.hold_row_id IS 'not personal';
COMMENT ON COLUMN runtime.holds.hold_id IS 'not personal';
COMMENT ON COLUMN runtime.holds.kind IS 'not personal';
-- A hold that stands keeps its own rows, so that these periods count for those that ended.
COMMENT ON COLUMN runtime.holds.owner_sub IS 'personal: IDENTIFIER; keep: 1y';
COMMENT ON COLUMN runtime.holds.email IS 'personal: EMAIL; keep: 1y';
COMMENT ON COLUMN runtime.holds.stripe_customer IS 'personal: IDENTIFIER; keep: 1y';
-- False: the hold has ended.
COMMENT ON COLUMN runtime.holds.stands IS 'not personal';
COMMENT ON COLUMN runtime.holds.change_time IS 'not personal';
