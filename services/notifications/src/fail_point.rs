//! Where a test can have notifications killed, in the order of the path from a webhook to the mail.

levqor_runtime::fail_points! {
    /// A message is written, uncommitted, without its delivery.
    MESSAGE_WRITTEN = "message.written",
    /// A message and its delivery are committed; the caller does not know.
    MESSAGE_STORED = "message.stored",
    /// An attempt is written down; the mail provider is not called.
    MESSAGE_ATTEMPTED = "message.attempted",
    /// The mail provider has answered; nothing of it is written down.
    MESSAGE_ANSWERED = "message.answered",
    /// What came of the attempt is written, uncommitted, and of its message nothing.
    MESSAGE_ATTEMPT_ENDED = "message.attempt_ended",
    /// What came of an attempt and of its message is committed; the caller does not know.
    MESSAGE_SETTLED = "message.settled",
    /// A message is in doubt; the caller does not know.
    MESSAGE_DOUBTED = "message.doubted",
    /// A doubt is resolved; the caller does not know.
    MESSAGE_RESOLVED = "message.resolved",
    /// What the mail provider told is stored with its deferred call; the caller does not know.
    PROVIDER_EVENT_STORED = "provider_event.stored",
    /// What the mail provider told is added to its message; the caller does not know.
    PROVIDER_EVENT_APPLIED = "provider_event.applied",
}
