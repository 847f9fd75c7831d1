//! The points where a test can kill compliance, in the order of the steps of an erasure.

levqor_runtime::fail_points! {
    /// The erasure has begun; nothing is erased.
    ERASURE_BEGUN = "erasure.begun",
    /// A service has erased its part; its receipt is not stored.
    ERASURE_PART_DONE = "erasure.part_done",
    /// The last mail is deferred, uncommitted.
    ERASURE_TELLING = "erasure.telling",
    /// The last mail is under way.
    ERASURE_TOLD = "erasure.told",
    /// The entry of the ledger is written for the second time, with its final time; the step is not stored.
    ERASURE_WRITTEN = "erasure.written",
    /// It is stored that the ledger has the erasure; this service has erased nothing of its own.
    ERASURE_RECORDED = "erasure.recorded",
    /// This service has erased its part; the row of the request itself still names the person.
    ERASURE_OWN_PART_DONE = "erasure.own_part_done",
    /// Everything is done; the caller does not know.
    ERASURE_FINISHED = "erasure.finished",
}
