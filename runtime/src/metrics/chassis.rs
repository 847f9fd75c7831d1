//! Every metric of the chassis.

use super::definition::{Attribute, Definition, Kind};

const RPC: Attribute = Attribute::known("rpc.method", "an RPC of the protos, or `_OTHER`");
const CODE: Attribute = Attribute::known("rpc.response.status_code", "the 17 codes of gRPC");
const SYSTEM: Attribute = Attribute::one_of("rpc.system.name", &["grpc"]);
const FAILURE: Attribute = Attribute::known("error.type", "the code, if it is a server error; else absent");
const POOL: Attribute = Attribute::known("db.client.connection.pool.name", "the service");
const SCHEDULE: Attribute = Attribute::known("schedule", "the schedules of the service");
const SIGNAL: Attribute = Attribute::one_of("signal", &["traces", "logs", "metrics", "errors"]);
const JOURNAL: Attribute = Attribute::known("journal", "the journals of the service");

/// Calls that a service answered.
pub const RPC_SERVER: Definition = Definition::timing(
    "rpc.server.call.duration",
    "Time until a service answered a call; for a stream, until its first message.",
    &[SYSTEM, RPC, CODE, FAILURE],
);
/// Calls between services, measured by the caller.
pub const RPC_CLIENT: Definition = Definition::timing(
    "rpc.client.call.duration",
    "Time of a call to another service, per attempt; for a stream, until its first message.",
    &[SYSTEM, RPC, CODE, Attribute::known("server.address", "the service that is called"), FAILURE],
);
/// Permits for requests.
pub const PERMITS: Definition = Definition::gauge(
    "levqor.server.permits",
    "{request}",
    "Permits for requests: in use by requests in progress, and free. Without a free permit, a request is refused.",
    &[Attribute::one_of("state", &["used", "free"])],
);
/// Whether a service is ready.
pub const READY: Definition = Definition::gauge(
    "levqor.ready",
    "{bool}",
    "1 while the service does not drain and its database answers, has the needed tables and accepts writes; else 0.",
    &[],
);
/// The state of capabilities.
pub const CAPABILITY: Definition = Definition::gauge(
    "levqor.capability",
    "{bool}",
    "1 for the current state of a capability, as `/v1/status` shows it, and 0 for the two other states.",
    &[
        Attribute::known("capability", "the capabilities of the process"),
        Attribute::one_of("state", &["on", "off", "failed"]),
    ],
);
/// Connections of the pool.
pub const POOL_CONNECTIONS: Definition = Definition::gauge(
    "db.client.connection.count",
    "{connection}",
    "Connections to the database, by state.",
    &[POOL, Attribute::one_of("db.client.connection.state", &["idle", "used"])],
);
/// The most connections.
pub const POOL_MAX: Definition = Definition::gauge(
    "db.client.connection.max",
    "{connection}",
    "Maximum number of connections in the database pool.",
    &[POOL],
);
/// Callers that wait for a connection.
pub const POOL_PENDING: Definition = Definition::gauge(
    "db.client.connection.pending_requests",
    "{request}",
    "Requests that wait for a database connection.",
    &[POOL],
);
/// Timeouts of waiting for a connection.
pub const POOL_TIMEOUTS: Definition = Definition::counter(
    "db.client.connection.timeouts",
    "{timeout}",
    "Requests that got no database connection in time.",
    &[POOL],
);
/// How long callers waited for a connection.
pub const POOL_WAIT: Definition = Definition::timing(
    "db.client.connection.wait_time",
    "Time that requests waited for a database connection.",
    &[POOL],
);
/// Deferred calls by state.
pub const DEFERRED: Definition = Definition::gauge(
    "levqor.deferred_calls",
    "{call}",
    "Deferred calls: due now, due later (including calls that wait for a retry), and dead. Counted up to 100,000.",
    &[Attribute::one_of("state", &["due", "later", "dead"])],
);
/// The oldest due call.
pub const DEFERRED_AGE: Definition = Definition::gauge(
    "levqor.deferred_calls.oldest_due_age",
    "s",
    "Age of the oldest due deferred call, since it became due; 0 if none is due.",
    &[],
);
/// Attempts of deferred calls.
pub const DEFERRED_DELIVERIES: Definition = Definition::counter(
    "levqor.deferred_call.deliveries",
    "{try}",
    "Attempts of deferred calls, by outcome: done, to be retried, dead, or lost (another worker settled the call).",
    &[RPC, Attribute::one_of("outcome", &["done", "retry", "dead", "lost"])],
);
/// The number of attempts per call.
pub const DEFERRED_ATTEMPTS: Definition = Definition {
    name: "levqor.deferred_call.attempts",
    kind: Kind::Histogram,
    unit: "{try}",
    description: "Number of attempts of a deferred call when it was done or dead.",
    attributes: &[Attribute::one_of("outcome", &["done", "dead"])],
    buckets: &[1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 25.0],
};
/// How late a schedule is.
pub const SCHEDULE_LAG: Definition = Definition::gauge(
    "levqor.schedule.lag",
    "s",
    "Delay of the schedule's latest slot: time since the slot began without being run; 0 if it was run.",
    &[SCHEDULE],
);
/// The last slot that was taken.
pub const SCHEDULE_LAST: Definition = Definition::gauge(
    "levqor.schedule.last_slot.timestamp",
    "s",
    "Time of the last slot that was run, in seconds since 1970; absent if none was.",
    &[SCHEDULE],
);
/// The next slot.
pub const SCHEDULE_NEXT: Definition = Definition::gauge(
    "levqor.schedule.next_slot.timestamp",
    "s",
    "Time of the next slot, in seconds since 1970.",
    &[SCHEDULE],
);
/// The backlog of a journal.
pub const JOURNAL_DEPTH: Definition = Definition::gauge(
    "levqor.journal.depth",
    "{event}",
    "Journaled events that are pending, and events that are quarantined. Counted up to 100,000.",
    &[JOURNAL, Attribute::one_of("state", &["pending", "quarantined"])],
);
/// The age of the oldest pending event.
pub const JOURNAL_AGE: Definition = Definition::gauge(
    "levqor.journal.oldest_due_age",
    "s",
    "Age of the oldest due event, since it became due; 0 if none is due.",
    &[JOURNAL],
);
/// When the last event was received.
pub const JOURNAL_LAST: Definition = Definition::gauge(
    "levqor.journal.last_event.timestamp",
    "s",
    "Time when the last event was journaled, in seconds since 1970; absent if none was.",
    &[JOURNAL],
);
/// The outcomes of events.
pub const JOURNAL_VERDICTS: Definition = Definition::counter(
    "levqor.journal.verdicts",
    "{event}",
    "Attempts to process journaled events, by outcome.",
    &[JOURNAL, Attribute::one_of("verdict", &["processed", "ignored", "retry", "quarantined"])],
);
/// When Sentry last accepted a test.
pub const SENTRY_TEST: Definition = Definition::gauge(
    "levqor.sentry.self_test.last_success.timestamp",
    "s",
    "Time when Sentry last accepted a test report, in seconds since 1970; absent if none arrived.",
    &[],
);
/// When the database was last measured.
pub const MEASURED: Definition = Definition::gauge(
    "levqor.measurement.timestamp",
    "s",
    "Time of the last measurement in the database, in seconds since 1970. Numbers whose measurement failed are absent.",
    &[Attribute::one_of("measurement", &["deferred_calls", "schedules", "self_tests", "journal", "own"])],
);
/// The outcomes of exports.
pub const TELEMETRY_EXPORTS: Definition = Definition::counter(
    "levqor.telemetry.exports",
    "{export}",
    "Exports of telemetry, by outcome: taken by the receiver, or lost after the last attempt.",
    &[SIGNAL, Attribute::one_of("outcome", &["taken", "lost"])],
);
/// Lost telemetry.
pub const TELEMETRY_LOST: Definition = Definition::counter(
    "levqor.telemetry.lost",
    "{item}",
    "Spans, log records, errors and metric readings that were lost, because their export failed or the queue was full.",
    &[SIGNAL],
);
/// CPU time.
pub const PROCESS_CPU: Definition = Definition::counter(
    "process.cpu.time",
    "s",
    "CPU time of the process.",
    &[Attribute::one_of("cpu.mode", &["user", "system"])],
);
/// Memory.
pub const PROCESS_MEMORY: Definition =
    Definition::gauge("process.memory.usage", "By", "Resident memory of the process.", &[]);
/// Open files.
pub const PROCESS_FILES: Definition = Definition::gauge(
    "process.unix.file_descriptor.count",
    "{file_descriptor}",
    "Open files and sockets of the process.",
    &[],
);
/// The most open files.
pub const PROCESS_FILES_MAX: Definition = Definition::gauge(
    "process.unix.file_descriptor.max",
    "{file_descriptor}",
    "Maximum number of open files and sockets of the process.",
    &[],
);
/// When the process started.
pub const PROCESS_START: Definition =
    Definition::gauge("process.start_time", "s", "Start time of the process, in seconds since 1970.", &[]);
/// Tasks of the async runtime.
pub const RUNTIME_TASKS: Definition = Definition::gauge(
    "levqor.runtime.tasks",
    "{task}",
    "Tasks in the async runtime that have not ended.",
    &[],
);
/// The queue of the async runtime.
pub const RUNTIME_QUEUE: Definition = Definition::gauge(
    "levqor.runtime.queue.depth",
    "{task}",
    "Tasks in the async runtime's shared queue: ready to run, but not yet taken by a worker thread.",
    &[],
);

/// Every metric of the chassis.
pub const ALL: &[Definition] = &[
    RPC_SERVER,
    RPC_CLIENT,
    PERMITS,
    READY,
    CAPABILITY,
    POOL_CONNECTIONS,
    POOL_MAX,
    POOL_PENDING,
    POOL_TIMEOUTS,
    POOL_WAIT,
    DEFERRED,
    DEFERRED_AGE,
    DEFERRED_DELIVERIES,
    DEFERRED_ATTEMPTS,
    SCHEDULE_LAG,
    SCHEDULE_LAST,
    SCHEDULE_NEXT,
    JOURNAL_DEPTH,
    JOURNAL_AGE,
    JOURNAL_LAST,
    JOURNAL_VERDICTS,
    SENTRY_TEST,
    MEASURED,
    TELEMETRY_EXPORTS,
    TELEMETRY_LOST,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FILES,
    PROCESS_FILES_MAX,
    PROCESS_START,
    RUNTIME_TASKS,
    RUNTIME_QUEUE,
];
