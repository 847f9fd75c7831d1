-- The refunds of each withdrawal: one for each payment.
CREATE TABLE withdrawal_refunds (
    refund_id uuid NOT NULL,
    withdrawal_id uuid NOT NULL,
    CONSTRAINT withdrawal_refunds_pkey PRIMARY KEY (refund_id),
    CONSTRAINT withdrawal_refunds_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refunds (refund_id),
    CONSTRAINT withdrawal_refunds_withdrawal_id_fkey FOREIGN KEY (withdrawal_id) REFERENCES withdrawals (withdrawal_id)
);

CREATE INDEX withdrawal_refunds_of_withdrawal ON withdrawal_refunds (withdrawal_id);

COMMENT ON TABLE withdrawal_refunds IS
    'Refunds that follow from withdrawals.
    subject: withdrawal_id of withdrawals.withdrawal_id; erase: keep; ground: it names nobody';
COMMENT ON COLUMN withdrawal_refunds.refund_id IS 'not personal';
COMMENT ON COLUMN withdrawal_refunds.withdrawal_id IS 'not personal';
