-- The row that the readiness probe writes, to find out whether the database takes writes.
CREATE TABLE runtime.write_probes (
    write_probe_id int PRIMARY KEY CHECK (write_probe_id = 1),
    probe_time timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN runtime.write_probes.write_probe_id IS 'not personal';
COMMENT ON COLUMN runtime.write_probes.probe_time IS 'not personal';
INSERT INTO runtime.write_probes (write_probe_id) VALUES (1);
