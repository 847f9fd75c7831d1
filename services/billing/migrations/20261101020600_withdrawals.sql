-- Withdrawals from contracts: what the customer stated, and what becomes of the money. One for each contract.
CREATE TABLE withdrawals (
    withdrawal_id uuid NOT NULL,
    order_id uuid,
    subscription_id uuid,
    state text NOT NULL,
    rule text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    statement text NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT withdrawals_pkey PRIMARY KEY (withdrawal_id),
    CONSTRAINT withdrawals_order_id_key UNIQUE (order_id),
    CONSTRAINT withdrawals_subscription_id_key UNIQUE (subscription_id),
    CONSTRAINT withdrawals_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT withdrawals_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions (subscription_id),
    CONSTRAINT withdrawals_one_contract CHECK (num_nonnulls(order_id, subscription_id) = 1),
    CONSTRAINT withdrawals_state CHECK (state IN ('REQUESTED', 'WAITING', 'COMPLETED', 'FAILED')),
    CONSTRAINT withdrawals_rule CHECK (rule IN ('GUARANTEE', 'RIGHT')),
    CONSTRAINT withdrawals_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT withdrawals_amount CHECK (amount_minor >= 0 AND amount_minor < 9007199254740992),
    CONSTRAINT withdrawals_statement CHECK (statement <> '')
);

-- What waits for a bank.
CREATE INDEX withdrawals_waiting ON withdrawals (create_time) WHERE state = 'WAITING';

COMMENT ON TABLE withdrawals IS
    'Withdrawals from contracts.
    subject: order_id of orders.order_id, subscription_id of subscriptions.subscription_id; erase: pseudonymise; clock: create_time';
COMMENT ON COLUMN withdrawals.withdrawal_id IS 'not personal';
COMMENT ON COLUMN withdrawals.order_id IS 'not personal';
COMMENT ON COLUMN withdrawals.subscription_id IS 'not personal';
COMMENT ON COLUMN withdrawals.state IS 'not personal';
COMMENT ON COLUMN withdrawals.rule IS 'not personal';
COMMENT ON COLUMN withdrawals.currency IS 'not personal';
COMMENT ON COLUMN withdrawals.amount_minor IS 'not personal';
COMMENT ON COLUMN withdrawals.statement IS 'personal: MESSAGE; keep: 7y';
COMMENT ON COLUMN withdrawals.create_time IS 'not personal';
COMMENT ON COLUMN withdrawals.update_time IS 'not personal';
