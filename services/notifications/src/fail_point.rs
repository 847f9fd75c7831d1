//! The points where a test can kill notifications, in the order of the path from a webhook to the mail.

levqor_runtime::fail_points! {
    /// A message is written but not committed, and its delivery is not deferred yet.
    MESSAGE_WRITTEN = "message.written",
    /// A message and its delivery are committed; the caller does not know.
    MESSAGE_STORED = "message.stored",
    /// An attempt is committed, and the mail provider is not called yet.
    MESSAGE_ATTEMPTED = "message.attempted",
    /// The mail provider has answered, and the answer is not stored yet.
    MESSAGE_ANSWERED = "message.answered",
    /// The outcome of the attempt is written but not committed, and the message is not settled yet.
    MESSAGE_ATTEMPT_ENDED = "message.attempt_ended",
    /// The outcome of the attempt and the state of the message are committed; the caller does not know.
    MESSAGE_SETTLED = "message.settled",
    /// A message is in doubt; the caller does not know.
    MESSAGE_DOUBTED = "message.doubted",
    /// A doubt is resolved; the caller does not know.
    MESSAGE_RESOLVED = "message.resolved",
    /// An event of the mail provider is committed with its deferred call; the caller does not know.
    PROVIDER_EVENT_STORED = "provider_event.stored",
    /// An event of the mail provider is applied to its message and committed; the caller does not know.
    PROVIDER_EVENT_APPLIED = "provider_event.applied",
}
