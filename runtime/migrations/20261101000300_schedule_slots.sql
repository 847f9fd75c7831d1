-- One row per schedule and slot: whoever inserts it runs the slot, everybody else finds it taken.
CREATE TABLE runtime.schedule_slots (
    schedule text NOT NULL,
    slot timestamptz NOT NULL,
    run_time timestamptz NOT NULL,
    PRIMARY KEY (schedule, slot)
);
COMMENT ON COLUMN runtime.schedule_slots.schedule IS 'not personal';
COMMENT ON COLUMN runtime.schedule_slots.slot IS 'not personal';
COMMENT ON COLUMN runtime.schedule_slots.run_time IS 'not personal';
