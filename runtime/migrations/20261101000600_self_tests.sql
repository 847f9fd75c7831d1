-- What became of tests that are made on a schedule, such as whether a report of an error arrives. One row per test.
CREATE TABLE runtime.self_tests (
    name text PRIMARY KEY,
    last_success_time timestamptz,
    last_failure_time timestamptz,
    failure text NOT NULL DEFAULT ''
);
COMMENT ON COLUMN runtime.self_tests.name IS 'not personal';
COMMENT ON COLUMN runtime.self_tests.last_success_time IS 'not personal';
COMMENT ON COLUMN runtime.self_tests.last_failure_time IS 'not personal';
COMMENT ON COLUMN runtime.self_tests.failure IS 'not personal';
