-- Time, as the replicas agree on it: PostgreSQL's. Of the statement, so that a long transaction sees time go on; STABLE, so that
-- comparisons with it can use an index. One expression of SQL: it is planned into the statement that asks, and costs nothing
-- more. Tests move time by replacing it.
CREATE FUNCTION runtime.now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN statement_timestamp();
