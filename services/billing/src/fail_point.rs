//! Where a test can have billing killed, in the order of the path from a webhook to the mail.

levqor_runtime::fail_points! {
    /// Events were gathered for one statement; none is stored.
    JOURNAL_GATHERED = "journal.gathered",
    /// Events are stored; the callers do not know.
    JOURNAL_STORED = "journal.stored",
    /// What an older version ignored was taken up; nothing else of the claim is done.
    JOURNAL_TAKEN_UP = "journal.taken_up",
    /// What nothing follows from was ignored; nothing else of the claim is done.
    JOURNAL_IGNORED = "journal.ignored",
    /// Keys are leased; nothing of them is loaded.
    JOURNAL_CLAIMED = "journal.claimed",
    /// After a lapse: the try of one event is counted; it has not begun.
    JOURNAL_CHARGED = "journal.charged",
    /// Stripe was asked; nothing is written.
    JOURNAL_FETCHED = "journal.fetched",
    /// The order's row is written, uncommitted, without its mails.
    ORDER_WRITTEN = "order.written",
    /// One of the order's two mails is deferred, uncommitted.
    ORDER_HALF_DEFERRED = "order.half_deferred",
    /// All that follows from events is written; nothing is committed.
    JOURNAL_JUDGED = "journal.judged",
    /// All that follows from events is committed; nobody was told or woken.
    JOURNAL_APPLIED = "journal.applied",
    /// After a lapse: one event is settled alone; its key is still leased.
    JOURNAL_SERVED_ALONE = "journal.served_alone",
    /// An event is pending again; nobody was told or woken.
    REPLAY_COMMITTED = "replay.committed",
}
