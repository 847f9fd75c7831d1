//! Every metric of the chassis.

use super::definition::{Attribute, Definition};

const RPC: Attribute = Attribute::known("rpc.method", "an RPC of the protos, or `_OTHER`");
const CODE: Attribute = Attribute::known("rpc.response.status_code", "the 17 codes of gRPC");
const SYSTEM: Attribute = Attribute::one_of("rpc.system.name", &["grpc"]);
const FAILURE: Attribute = Attribute::known("error.type", "the code, if it is a server error; else absent");
const POOL: Attribute = Attribute::known("db.client.connection.pool.name", "the service");
const SCHEDULE: Attribute = Attribute::known("schedule", "the schedules of the service");
const SIGNAL: Attribute = Attribute::one_of("signal", &["traces", "logs", "metrics", "errors"]);
const JOURNAL: Attribute = Attribute::known("journal", "the journals of the service");

/// Defines a constant for each metric, documented by its description, and `ALL`.
macro_rules! metrics {
    ($($metric:ident = $kind:ident $name:literal $(in $unit:literal)?, $description:literal, [$($attribute:expr),*];)+) => {
        $(
            #[doc = $description]
            pub const $metric: Definition =
                Definition::$kind($name, $($unit,)? $description, &[$($attribute),*]);
        )+

        /// Every metric of the chassis.
        pub const ALL: &[Definition] = &[$($metric),+];
    };
}

metrics! {
    RPC_SERVER = timing "rpc.server.call.duration",
        "Time until a service answered a call; for a stream, until its first message.",
        [SYSTEM, RPC, CODE, FAILURE];
    RPC_CLIENT = timing "rpc.client.call.duration",
        "Time of a call to another service, per attempt; for a stream, until its first message.",
        [SYSTEM, RPC, CODE, Attribute::known("server.address", "the service that is called"), FAILURE];
    PERMITS = gauge "levqor.server.permits" in "{request}",
        "Permits for requests: in use by requests in progress, and free. Without a free permit, a request is refused.",
        [Attribute::one_of("state", &["used", "free"])];
    READY = gauge "levqor.ready" in "{bool}",
        "1 while the service does not drain and its database answers, has the needed tables and accepts writes; else 0.",
        [];
    CAPABILITY = gauge "levqor.capability" in "{bool}",
        "1 for the current state of a capability, as `/v1/status` shows it, and 0 for the two other states.",
        [Attribute::known("capability", "the capabilities of the process"), Attribute::one_of("state", &["on", "off", "failed"])];
    POOL_CONNECTIONS = gauge "db.client.connection.count" in "{connection}",
        "Connections to the database, by state.",
        [POOL, Attribute::one_of("db.client.connection.state", &["idle", "used"])];
    POOL_MAX = gauge "db.client.connection.max" in "{connection}",
        "Maximum number of connections in the database pool.", [POOL];
    POOL_PENDING = gauge "db.client.connection.pending_requests" in "{request}",
        "Requests that wait for a database connection.", [POOL];
    POOL_TIMEOUTS = counter "db.client.connection.timeouts" in "{timeout}",
        "Requests that got no database connection in time.", [POOL];
    POOL_WAIT = timing "db.client.connection.wait_time",
        "Time that requests waited for a database connection.", [POOL];
    DEFERRED = gauge "levqor.deferred_calls" in "{call}",
        "Deferred calls: due now, due later (including calls that wait for a retry), and dead. Counted up to 100,000.",
        [Attribute::one_of("state", &["due", "later", "dead"])];
    DEFERRED_AGE = gauge "levqor.deferred_calls.oldest_due_age" in "s",
        "Age of the oldest due deferred call, since it became due; 0 if none is due.", [];
    DEFERRED_DELIVERIES = counter "levqor.deferred_call.deliveries" in "{try}",
        "Attempts of deferred calls, by outcome: done, to be retried, dead, or lost (another worker settled the call).",
        [RPC, Attribute::one_of("outcome", &["done", "retry", "dead", "lost"])];
    DEFERRED_ATTEMPTS = attempts "levqor.deferred_call.attempts",
        "Number of attempts of a deferred call when it was done or dead.",
        [Attribute::one_of("outcome", &["done", "dead"])];
    SCHEDULE_LAG = gauge "levqor.schedule.lag" in "s",
        "Delay of the schedule's latest slot: time since the slot began without being run; 0 if it was run.",
        [SCHEDULE];
    SCHEDULE_LAST = gauge "levqor.schedule.last_slot.timestamp" in "s",
        "Time of the last slot that was run, in seconds since 1970; absent if none was.", [SCHEDULE];
    SCHEDULE_NEXT = gauge "levqor.schedule.next_slot.timestamp" in "s",
        "Time of the next slot, in seconds since 1970.", [SCHEDULE];
    JOURNAL_DEPTH = gauge "levqor.journal.depth" in "{event}",
        "Journaled events that are pending, and events that are quarantined. Counted up to 100,000.",
        [JOURNAL, Attribute::one_of("state", &["pending", "quarantined"])];
    JOURNAL_AGE = gauge "levqor.journal.oldest_due_age" in "s",
        "Age of the oldest due event, since it became due; 0 if none is due.", [JOURNAL];
    JOURNAL_LAST = gauge "levqor.journal.last_event.timestamp" in "s",
        "Time when the last event was journaled, in seconds since 1970; absent if none was.", [JOURNAL];
    JOURNAL_VERDICTS = counter "levqor.journal.verdicts" in "{event}",
        "Attempts to process journaled events, by outcome.",
        [JOURNAL, Attribute::one_of("verdict", &["processed", "ignored", "retry", "quarantined"])];
    SENTRY_TEST = gauge "levqor.sentry.self_test.last_success.timestamp" in "s",
        "Time when Sentry last accepted a test report, in seconds since 1970; absent if none arrived.", [];
    MEASURED = gauge "levqor.measurement.timestamp" in "s",
        "Time of the last measurement in the database, in seconds since 1970. Numbers whose measurement failed are absent.",
        [Attribute::one_of("measurement", &["deferred_calls", "schedules", "self_tests", "journal", "own"])];
    TELEMETRY_EXPORTS = counter "levqor.telemetry.exports" in "{export}",
        "Exports of telemetry, by outcome: taken by the receiver, or lost after the last attempt.",
        [SIGNAL, Attribute::one_of("outcome", &["taken", "lost"])];
    TELEMETRY_LOST = counter "levqor.telemetry.lost" in "{item}",
        "Spans, log records, errors and metric readings that were lost, because their export failed or the queue was full.",
        [SIGNAL];
    PROCESS_CPU = counter "process.cpu.time" in "s",
        "CPU time of the process.", [Attribute::one_of("cpu.mode", &["user", "system"])];
    PROCESS_MEMORY = gauge "process.memory.usage" in "By", "Resident memory of the process.", [];
    PROCESS_FILES = gauge "process.unix.file_descriptor.count" in "{file_descriptor}",
        "Open files and sockets of the process.", [];
    PROCESS_FILES_MAX = gauge "process.unix.file_descriptor.max" in "{file_descriptor}",
        "Maximum number of open files and sockets of the process.", [];
    PROCESS_START = gauge "process.start_time" in "s",
        "Start time of the process, in seconds since 1970.", [];
    RUNTIME_TASKS = gauge "levqor.runtime.tasks" in "{task}",
        "Tasks in the async runtime that have not ended.", [];
    RUNTIME_QUEUE = gauge "levqor.runtime.queue.depth" in "{task}",
        "Tasks in the async runtime's shared queue: ready to run, but not yet taken by a worker thread.", [];
}
