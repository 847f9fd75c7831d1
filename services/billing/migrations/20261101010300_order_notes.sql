-- What customers and staff wrote about a step of an order. Apart from the history, so that it can be erased.
CREATE TABLE order_notes (
    order_id uuid NOT NULL,
    number integer NOT NULL,
    note text NOT NULL,
    CONSTRAINT order_notes_pkey PRIMARY KEY (order_id, number),
    CONSTRAINT order_notes_event_fkey FOREIGN KEY (order_id, number) REFERENCES order_events (order_id, number)
);

COMMENT ON TABLE order_notes IS
    'Notes of customers and staff on steps of orders.
    subject: order_id of orders.order_id; erase: delete';
COMMENT ON COLUMN order_notes.order_id IS 'not personal';
COMMENT ON COLUMN order_notes.number IS 'not personal';
COMMENT ON COLUMN order_notes.note IS 'personal: MESSAGE; keep: until erasure';
