-- Time, as the replicas agree on it: PostgreSQL's clock, plus an offset that only tests set. One row at most.
CREATE TABLE runtime.clock_offset (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT clock_offset_singleton CHECK (singleton),
    clock_offset interval NOT NULL
);
COMMENT ON COLUMN runtime.clock_offset.singleton IS 'not personal';
COMMENT ON COLUMN runtime.clock_offset.clock_offset IS 'not personal';

-- For statements that ask once per execution, and in great number: it is planned with them.
CREATE VIEW runtime.clock AS
SELECT statement_timestamp() + coalesce((SELECT clock_offset FROM runtime.clock_offset), interval '0') AS now;
COMMENT ON COLUMN runtime.clock.now IS 'not personal';

-- STABLE, so that comparisons with it can use an index; the statement's time, so that a long transaction sees time go on.
-- PL/pgSQL, whose plan lives as long as the connection: a function in SQL is planned anew in every statement.
CREATE FUNCTION runtime.now() RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (SELECT clock.now FROM runtime.clock);
END
$$;
