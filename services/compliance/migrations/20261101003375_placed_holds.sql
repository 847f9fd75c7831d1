-- The holds that keep people's rows: legal holds that staff placed, and restrictions that people asked for. Whose rows a hold is about is in
-- `runtime.holds`.
CREATE TABLE placed_holds (
    hold_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    matter text NOT NULL,
    reason text,
    data_request_id uuid,
    create_time timestamptz NOT NULL,
    change_time timestamptz NOT NULL,
    lift_time timestamptz,
    lift_reasons text,
    release_time timestamptz,
    CONSTRAINT placed_holds_pkey PRIMARY KEY (hold_id),
    CONSTRAINT placed_holds_request FOREIGN KEY (data_request_id) REFERENCES data_requests (data_request_id),
    CONSTRAINT placed_holds_kind CHECK (kind IN ('LEGAL_HOLD', 'RESTRICTION')),
    CONSTRAINT placed_holds_state CHECK (state IN ('PLACING', 'STANDING', 'RELEASING', 'RELEASED')),
    CONSTRAINT placed_holds_of_request CHECK ((kind = 'RESTRICTION') = (data_request_id IS NOT NULL)),
    CONSTRAINT placed_holds_release_time CHECK ((state = 'RELEASED') = (release_time IS NOT NULL))
);

-- Lists, newest first: all of a kind, those in a state, and those of a matter.
CREATE INDEX placed_holds_newest ON placed_holds (kind, create_time DESC, hold_id DESC);
CREATE INDEX placed_holds_state_newest ON placed_holds (kind, state, create_time DESC, hold_id DESC);
CREATE INDEX placed_holds_matter_newest ON placed_holds (matter, create_time DESC, hold_id DESC) WHERE matter <> '';
-- Those that stand, of which every service is told before the retention periods are enforced.
CREATE INDEX placed_holds_state ON placed_holds (state);
-- What the sweep looks for: restrictions to lift, and changes that not every service was told.
CREATE INDEX placed_holds_to_lift ON placed_holds (lift_time) WHERE lift_time IS NOT NULL;
CREATE INDEX placed_holds_untold ON placed_holds (change_time) WHERE state IN ('PLACING', 'RELEASING');

COMMENT ON TABLE placed_holds IS
    'Legal holds and restrictions. subject: hold_id of holds.hold_id; erase: null; clock: change_time';
COMMENT ON COLUMN placed_holds.hold_id IS 'not personal';
COMMENT ON COLUMN placed_holds.kind IS 'not personal';
-- PLACING and RELEASING: not every service was told of the last change.
COMMENT ON COLUMN placed_holds.state IS 'not personal';
-- The reference of the matter. Empty if there is none.
COMMENT ON COLUMN placed_holds.matter IS 'not personal';
-- A hold that stands keeps its own row, so that these periods count for those that ended.
COMMENT ON COLUMN placed_holds.reason IS 'personal: MESSAGE; keep: 1y';
COMMENT ON COLUMN placed_holds.data_request_id IS 'not personal';
COMMENT ON COLUMN placed_holds.create_time IS 'not personal';
-- When it was placed or released. Services take a later change for the one that holds.
COMMENT ON COLUMN placed_holds.change_time IS 'not personal';
COMMENT ON COLUMN placed_holds.lift_time IS 'not personal';
-- Why a restriction is lifted, as the person was told.
COMMENT ON COLUMN placed_holds.lift_reasons IS 'personal: MESSAGE; keep: 1y';
COMMENT ON COLUMN placed_holds.release_time IS 'not personal';
