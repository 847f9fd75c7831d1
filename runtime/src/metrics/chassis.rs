//! Every metric of the chassis.

use super::definition::{Attribute, Definition, Kind};

const RPC: Attribute = Attribute::known("rpc.method", "an RPC of the protos, or `_OTHER`");
const CODE: Attribute = Attribute::known("rpc.response.status_code", "the 17 codes of gRPC");
const SYSTEM: Attribute = Attribute::one_of("rpc.system.name", &["grpc"]);
const FAILURE: Attribute =
    Attribute::known("error.type", "the code where it is a failure of ours, else absent");
const POOL: Attribute = Attribute::known("db.client.connection.pool.name", "the service");
const SCHEDULE: Attribute = Attribute::known("schedule", "the schedules of the service");
const SIGNAL: Attribute = Attribute::one_of("signal", &["traces", "logs", "metrics", "errors"]);
const JOURNAL: Attribute = Attribute::known("journal", "the journals of the service");

/// Calls that a service answered.
pub const RPC_SERVER: Definition = Definition::timing(
    "rpc.server.call.duration",
    "How long a service took to answer a call; of a stream, until its answers began.",
    &[SYSTEM, RPC, CODE, FAILURE],
);
/// Calls between services, from the caller's side.
pub const RPC_CLIENT: Definition = Definition::timing(
    "rpc.client.call.duration",
    "How long a call to another service took, each try by itself; of a stream, until its answers began.",
    &[SYSTEM, RPC, CODE, Attribute::known("server.address", "the service that is called"), FAILURE],
);
/// Places for requests.
pub const PLACES: Definition = Definition::gauge(
    "levqor.server.places",
    "{request}",
    "Requests that are worked on now, and how many more would be taken before they are refused as too much.",
    &[Attribute::one_of("state", &["used", "free"])],
);
/// Whether a service can work.
pub const READY: Definition = Definition::gauge(
    "levqor.ready",
    "{bool}",
    "1 while the service's database answers with the tables it needs and takes writes, and the service is not on its way out, else 0.",
    &[],
);
/// What works.
pub const CAPABILITY: Definition = Definition::gauge(
    "levqor.capability",
    "{bool}",
    "1 for the state that a capability is in, as `/v1/status` shows it, and 0 for the two others.",
    &[
        Attribute::known("capability", "the capabilities of the process"),
        Attribute::one_of("state", &["on", "off", "failed"]),
    ],
);
/// Connections of the pool.
pub const POOL_CONNECTIONS: Definition = Definition::gauge(
    "db.client.connection.count",
    "{connection}",
    "Connections to the database, by what they do.",
    &[POOL, Attribute::one_of("db.client.connection.state", &["idle", "used"])],
);
/// The most connections.
pub const POOL_MAX: Definition = Definition::gauge(
    "db.client.connection.max",
    "{connection}",
    "Connections to the database that the pool may open.",
    &[POOL],
);
/// Who waits for a connection.
pub const POOL_PENDING: Definition = Definition::gauge(
    "db.client.connection.pending_requests",
    "{request}",
    "Requests that wait for a connection to the database.",
    &[POOL],
);
/// Who waited in vain.
pub const POOL_TIMEOUTS: Definition = Definition::counter(
    "db.client.connection.timeouts",
    "{timeout}",
    "Requests that waited for a connection to the database in vain.",
    &[POOL],
);
/// How long a connection was waited for.
pub const POOL_WAIT: Definition = Definition::timing(
    "db.client.connection.wait_time",
    "How long a connection to the database was waited for.",
    &[POOL],
);
/// Deferred calls that are there.
pub const DEFERRED: Definition = Definition::gauge(
    "levqor.deferred_calls",
    "{call}",
    "Deferred calls: due now, due later (backing off among them), and dead. Counted to 100,000.",
    &[Attribute::one_of("state", &["due", "later", "dead"])],
);
/// The oldest due call.
pub const DEFERRED_AGE: Definition = Definition::gauge(
    "levqor.deferred_calls.oldest_due_age",
    "s",
    "For how long the deferred call is due that is due for longest; 0 where none is.",
    &[],
);
/// Tries of deferred calls.
pub const DEFERRED_DELIVERIES: Definition = Definition::counter(
    "levqor.deferred_call.deliveries",
    "{try}",
    "Tries of deferred calls, by what became of the call: done, to be tried again, dead, or settled by another worker.",
    &[RPC, Attribute::one_of("outcome", &["done", "retry", "dead", "lost"])],
);
/// How many tries a call took.
pub const DEFERRED_ATTEMPTS: Definition = Definition {
    name: "levqor.deferred_call.attempts",
    kind: Kind::Histogram,
    unit: "{try}",
    description: "How many tries a deferred call had when it was done or dead.",
    attributes: &[Attribute::one_of("outcome", &["done", "dead"])],
    buckets: &[1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 25.0],
};
/// How late a schedule is.
pub const SCHEDULE_LAG: Definition = Definition::gauge(
    "levqor.schedule.lag",
    "s",
    "For how long the slot that has begun last waits to be taken; 0 where it was taken.",
    &[SCHEDULE],
);
/// The last slot that was taken.
pub const SCHEDULE_LAST: Definition = Definition::gauge(
    "levqor.schedule.last_slot.timestamp",
    "s",
    "The last slot that was taken, in seconds since 1970; absent where none ever was.",
    &[SCHEDULE],
);
/// The next slot.
pub const SCHEDULE_NEXT: Definition = Definition::gauge(
    "levqor.schedule.next_slot.timestamp",
    "s",
    "The next slot, in seconds since 1970.",
    &[SCHEDULE],
);
/// What waits in a journal.
pub const JOURNAL_DEPTH: Definition = Definition::gauge(
    "levqor.journal.depth",
    "{event}",
    "Journaled events that wait to be processed, and those that are quarantined. Counted to 100,000.",
    &[JOURNAL, Attribute::one_of("state", &["pending", "quarantined"])],
);
/// The oldest event that waits.
pub const JOURNAL_AGE: Definition = Definition::gauge(
    "levqor.journal.oldest_due_age",
    "s",
    "For how long the event is due to be processed that is due for longest; 0 where none is.",
    &[JOURNAL],
);
/// When the last event came.
pub const JOURNAL_LAST: Definition = Definition::gauge(
    "levqor.journal.last_event.timestamp",
    "s",
    "When the last event was journaled, in seconds since 1970; absent where none ever was.",
    &[JOURNAL],
);
/// What became of events.
pub const JOURNAL_VERDICTS: Definition = Definition::counter(
    "levqor.journal.verdicts",
    "{event}",
    "Tries to process journaled events, by what became of the event.",
    &[JOURNAL, Attribute::one_of("verdict", &["processed", "unheeded", "retry", "quarantined"])],
);
/// When Sentry last took a test.
pub const SENTRY_TEST: Definition = Definition::gauge(
    "levqor.sentry.self_test.last_success.timestamp",
    "s",
    "When Sentry last took a report that says that it is a test, in seconds since 1970; absent where none ever arrived.",
    &[],
);
/// When the database was asked.
pub const MEASURED: Definition = Definition::gauge(
    "levqor.measurement.timestamp",
    "s",
    "When the numbers that only the database knows were measured last, in seconds since 1970. What could not be measured is absent.",
    &[Attribute::one_of("measurement", &["deferred_calls", "schedules", "self_tests", "own"])],
);
/// What became of exports.
pub const TELEMETRY_EXPORTS: Definition = Definition::counter(
    "levqor.telemetry.exports",
    "{export}",
    "Exports of telemetry, by what became of them: taken by their receiver, or lost after the last try.",
    &[SIGNAL, Attribute::one_of("outcome", &["taken", "lost"])],
);
/// What nobody has.
pub const TELEMETRY_LOST: Definition = Definition::counter(
    "levqor.telemetry.lost",
    "{item}",
    "Spans, log records, errors and readings of the metrics that were lost: with their export, or since they did not fit the queue.",
    &[SIGNAL],
);
/// Time on the CPU.
pub const PROCESS_CPU: Definition = Definition::counter(
    "process.cpu.time",
    "s",
    "Time that the process spent on a CPU.",
    &[Attribute::one_of("cpu.mode", &["user", "system"])],
);
/// Memory.
pub const PROCESS_MEMORY: Definition =
    Definition::gauge("process.memory.usage", "By", "Memory of the process that is resident.", &[]);
/// Open files.
pub const PROCESS_FILES: Definition = Definition::gauge(
    "process.unix.file_descriptor.count",
    "{file_descriptor}",
    "Files and sockets that the process holds open.",
    &[],
);
/// The most open files.
pub const PROCESS_FILES_MAX: Definition = Definition::gauge(
    "process.unix.file_descriptor.max",
    "{file_descriptor}",
    "Files and sockets that the process may hold open.",
    &[],
);
/// When the process began.
pub const PROCESS_START: Definition =
    Definition::gauge("process.start_time", "s", "When the process began, in seconds since 1970.", &[]);
/// Tasks of the async runtime.
pub const RUNTIME_TASKS: Definition =
    Definition::gauge("levqor.runtime.tasks", "{task}", "Tasks of the async runtime that are alive.", &[]);
/// What waits for the async runtime.
pub const RUNTIME_QUEUE: Definition = Definition::gauge(
    "levqor.runtime.queue.depth",
    "{task}",
    "Tasks in the async runtime's shared queue: they are ready, and no worker has taken them.",
    &[],
);

/// All of them.
pub const ALL: &[Definition] = &[
    RPC_SERVER,
    RPC_CLIENT,
    PLACES,
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
