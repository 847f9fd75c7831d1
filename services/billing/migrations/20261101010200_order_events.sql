-- The history of orders: what happened, and who did it as a role. Nothing here is about a person, so erasure leaves it whole.
CREATE TABLE order_events (
    order_id uuid NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    party text NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT order_events_pkey PRIMARY KEY (order_id, number),
    CONSTRAINT order_events_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT order_events_kind CHECK (
        kind IN (
            'PAID', 'INTAKE_SUBMITTED', 'STARTED', 'DELIVERED', 'REVISION_REQUESTED', 'ACCEPTED', 'OVERDUE', 'REFUNDED',
            'DISPUTE_OPENED', 'DISPUTE_WON', 'DISPUTE_LOST', 'ENDED', 'WITHDRAWN', 'PAYMENT_FAILED'
        )
    ),
    CONSTRAINT order_events_party CHECK (party IN ('CUSTOMER', 'STAFF', 'SYSTEM'))
);

COMMENT ON TABLE order_events IS 'The history of orders.';
COMMENT ON COLUMN order_events.order_id IS 'not personal';
COMMENT ON COLUMN order_events.number IS 'not personal';
COMMENT ON COLUMN order_events.kind IS 'not personal';
COMMENT ON COLUMN order_events.party IS 'not personal';
COMMENT ON COLUMN order_events.create_time IS 'not personal';
