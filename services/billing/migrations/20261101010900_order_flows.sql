-- One row per order and flow: the step that comes next, or why there is none. A flow is a series of mails with one purpose.
CREATE TABLE order_flows (
    order_id uuid NOT NULL,
    flow text NOT NULL,
    next_step integer NOT NULL DEFAULT 1,
    next_time timestamptz,
    begin_time timestamptz NOT NULL,
    end_time timestamptz,
    end_reason text,
    CONSTRAINT order_flows_pkey PRIMARY KEY (order_id, flow),
    CONSTRAINT order_flows_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT order_flows_flow CHECK (flow IN ('INTAKE_REMINDERS', 'UPGRADE_OFFER', 'NEXT_STEPS')),
    CONSTRAINT order_flows_next_step CHECK (next_step >= 1),
    -- A flow goes on, or says why it ended.
    CONSTRAINT order_flows_end CHECK (
        (end_time IS NULL) = (end_reason IS NULL) AND (end_time IS NULL) = (next_time IS NOT NULL)
    )
);

COMMENT ON TABLE order_flows IS 'The reminders and offers that follow from orders.';
COMMENT ON COLUMN order_flows.order_id IS 'not personal';
COMMENT ON COLUMN order_flows.flow IS 'not personal';
COMMENT ON COLUMN order_flows.next_step IS 'not personal';
COMMENT ON COLUMN order_flows.next_time IS 'not personal';
COMMENT ON COLUMN order_flows.begin_time IS 'not personal';
COMMENT ON COLUMN order_flows.end_time IS 'not personal';
COMMENT ON COLUMN order_flows.end_reason IS 'not personal';
