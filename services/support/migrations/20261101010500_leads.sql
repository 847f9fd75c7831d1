-- What people sent by the forms of the website.
CREATE TABLE leads (
    lead_id uuid NOT NULL,
    kind text NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    phone text NOT NULL,
    company text NOT NULL,
    message text NOT NULL,
    details text NOT NULL,
    source text NOT NULL,
    score integer,
    marketing_consent boolean NOT NULL,
    next_step integer,
    flow_end text,
    create_time timestamptz NOT NULL,
    CONSTRAINT leads_pkey PRIMARY KEY (lead_id),
    CONSTRAINT leads_kind CHECK (kind IN ('SALES', 'KICKOFF', 'GUIDE', 'CONNECTOR')),
    CONSTRAINT leads_score CHECK (score BETWEEN 0 AND 100),
    -- A flow goes on or has ended; only the guide has one.
    CONSTRAINT leads_flow CHECK (next_step IS NULL OR (kind = 'GUIDE' AND flow_end IS NULL)),
    CONSTRAINT leads_flow_end CHECK (flow_end IN ('DONE', 'NOT_ALLOWED', 'PURCHASED'))
);

CREATE INDEX leads_create ON leads (create_time DESC, lead_id DESC);
CREATE INDEX leads_kind_create ON leads (kind, create_time DESC, lead_id DESC);
-- How often an address was typed within a day.
CREATE INDEX leads_email_create ON leads (email, create_time);

-- Complaints about the service. Their messages are in a ticket.
CREATE TABLE complaints (
    complaint_id uuid NOT NULL,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY (START WITH 101),
    ticket_id uuid NOT NULL,
    category text NOT NULL,
    acknowledge_due_time timestamptz NOT NULL,
    acknowledge_time timestamptz,
    answer_due_time timestamptz NOT NULL,
    answer_time timestamptz,
    overdue_time timestamptz,
    create_time timestamptz NOT NULL,
    CONSTRAINT complaints_pkey PRIMARY KEY (complaint_id),
    CONSTRAINT complaints_number_key UNIQUE (number),
    CONSTRAINT complaints_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES tickets (ticket_id),
    CONSTRAINT complaints_category CHECK (category IN ('SERVICE', 'BILLING', 'ORDER', 'CONDUCT', 'OTHER'))
);

CREATE INDEX complaints_create ON complaints (create_time DESC, complaint_id DESC);
CREATE INDEX complaints_open_create ON complaints (create_time DESC, complaint_id DESC) WHERE answer_time IS NULL;
-- What the sweep looks for.
CREATE INDEX complaints_answer_due ON complaints (answer_due_time) WHERE answer_time IS NULL AND overdue_time IS NULL;

COMMENT ON TABLE leads IS
    'What people sent by the forms of the website.
    subject: email email; erase: delete; clock: create_time';
COMMENT ON COLUMN leads.lead_id IS 'not personal';
COMMENT ON COLUMN leads.kind IS 'not personal';
COMMENT ON COLUMN leads.email IS 'personal: EMAIL; keep: 2y; rectify: yes';
COMMENT ON COLUMN leads.name IS 'personal: NAME; keep: 2y';
COMMENT ON COLUMN leads.phone IS 'personal: IDENTIFIER; keep: 2y';
COMMENT ON COLUMN leads.company IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN leads.message IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN leads.details IS 'personal: MESSAGE; keep: 2y';
COMMENT ON COLUMN leads.source IS 'not personal';
-- Null: the person objects to profiling.
COMMENT ON COLUMN leads.score IS 'not personal';
COMMENT ON COLUMN leads.marketing_consent IS 'not personal';
COMMENT ON COLUMN leads.next_step IS 'not personal';
COMMENT ON COLUMN leads.flow_end IS 'not personal';
COMMENT ON COLUMN leads.create_time IS 'not personal';
COMMENT ON TABLE complaints IS 'Complaints about the service, with their clocks.';
COMMENT ON COLUMN complaints.complaint_id IS 'not personal';
COMMENT ON COLUMN complaints.number IS 'not personal';
COMMENT ON COLUMN complaints.ticket_id IS 'not personal';
COMMENT ON COLUMN complaints.category IS 'not personal';
COMMENT ON COLUMN complaints.acknowledge_due_time IS 'not personal';
COMMENT ON COLUMN complaints.acknowledge_time IS 'not personal';
COMMENT ON COLUMN complaints.answer_due_time IS 'not personal';
COMMENT ON COLUMN complaints.answer_time IS 'not personal';
COMMENT ON COLUMN complaints.overdue_time IS 'not personal';
COMMENT ON COLUMN complaints.create_time IS 'not personal';
