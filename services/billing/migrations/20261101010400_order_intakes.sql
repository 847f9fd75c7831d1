-- The answers to the intake forms of orders, while they are drafts and after they were submitted. `orders.submit_time` says which.
CREATE TABLE order_intakes (
    order_id uuid NOT NULL,
    answers jsonb NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT order_intakes_pkey PRIMARY KEY (order_id),
    CONSTRAINT order_intakes_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT order_intakes_answers CHECK (jsonb_typeof(answers) = 'object')
);

COMMENT ON TABLE order_intakes IS
    'Answers to intake forms.
    subject: order_id of orders.order_id; erase: pseudonymise; clock: update_time';
COMMENT ON COLUMN order_intakes.order_id IS 'not personal';
COMMENT ON COLUMN order_intakes.answers IS 'personal: MESSAGE; keep: 7y';
COMMENT ON COLUMN order_intakes.update_time IS 'not personal';
