-- What the buyer of an order agreed to at our checkout, for a withdrawal. Orders that came through payment links have none.
CREATE TABLE order_agreements (
    order_id uuid NOT NULL,
    terms_version text NOT NULL,
    start_at_once boolean NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT order_agreements_pkey PRIMARY KEY (order_id),
    CONSTRAINT order_agreements_order FOREIGN KEY (order_id) REFERENCES orders (order_id)
);

COMMENT ON TABLE order_agreements IS 'What buyers agreed to at checkout.';
COMMENT ON COLUMN order_agreements.order_id IS 'not personal';
COMMENT ON COLUMN order_agreements.terms_version IS 'not personal';
COMMENT ON COLUMN order_agreements.start_at_once IS 'not personal';
COMMENT ON COLUMN order_agreements.create_time IS 'not personal';
