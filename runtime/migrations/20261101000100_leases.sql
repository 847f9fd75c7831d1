-- A lease is the right to work on a key until a time. Its fence is new with each claim and never comes again, so a
-- worker whose lease was taken over can tell, and changes nothing. The claimer draws it, and so knows what it took even
-- where the answer to its claim is lost.
CREATE TABLE runtime.leases (
    key text PRIMARY KEY,
    leased_until timestamptz NOT NULL,
    fence bigint NOT NULL
);
COMMENT ON TABLE runtime.leases IS
    'Locks on work that is done now. subject: text key; erase: keep; ground: a lock that lasts less than a minute';
COMMENT ON COLUMN runtime.leases.key IS 'personal: IDENTIFIER; keep: 1d';
COMMENT ON COLUMN runtime.leases.leased_until IS 'not personal';
COMMENT ON COLUMN runtime.leases.fence IS 'not personal';
