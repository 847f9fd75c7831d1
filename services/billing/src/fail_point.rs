//! The points where a test can kill billing, in the order of the path from a webhook to the mail, and from a refund to Stripe.

levqor_runtime::fail_points! {
    /// Events are batched for one statement; none is stored.
    JOURNAL_GATHERED = "journal.gathered",
    /// Events are stored; the callers have no answer.
    JOURNAL_STORED = "journal.stored",
    /// Events that an older version ignored are pending again; no key is leased yet.
    JOURNAL_TAKEN_UP = "journal.taken_up",
    /// Events of unhandled types are ignored; no key is leased yet.
    JOURNAL_IGNORED = "journal.ignored",
    /// Keys are leased; none of their events is loaded.
    JOURNAL_CLAIMED = "journal.claimed",
    /// After an expired lease: the attempt of one event is counted; it has not begun.
    JOURNAL_CHARGED = "journal.charged",
    /// Stripe was asked; nothing is written.
    JOURNAL_FETCHED = "journal.fetched",
    /// The order's row is written, uncommitted, without its mails.
    ORDER_WRITTEN = "order.written",
    /// One of the order's two mails is deferred, uncommitted.
    ORDER_HALF_DEFERRED = "order.half_deferred",
    /// All effects of the events are written; nothing is committed.
    JOURNAL_JUDGED = "journal.judged",
    /// All effects of the events are committed; nothing is logged and no worker is woken.
    JOURNAL_APPLIED = "journal.applied",
    /// After an expired lease: one event is settled alone; its key is still leased.
    JOURNAL_SERVED_ALONE = "journal.served_alone",
    /// A refund is written with its operation, uncommitted.
    REFUND_WRITTEN = "refund.written",
    /// An operation is stored; Stripe was not asked for it.
    OPERATION_STORED = "operation.stored",
    /// Stripe has answered an operation; nothing of the answer is stored.
    OPERATION_ANSWERED = "operation.answered",
    /// What follows from Stripe's answer is written, uncommitted.
    OPERATION_WRITTEN = "operation.written",
    /// What follows from Stripe's answer is committed; the caller has no answer.
    OPERATION_SETTLED = "operation.settled",
    /// An event is pending again; the caller has no answer and no worker is woken.
    REPLAY_COMMITTED = "replay.committed",
}
