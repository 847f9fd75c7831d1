//! Where a test can have the gateway killed, in the order of the path from a webhook to the mail.

levqor_runtime::fail_points! {
    /// The gateway has read a webhook; nobody else knows of it.
    WEBHOOK_RECEIVED = "webhook.received",
    /// The gateway was told that the event is stored; Stripe was not.
    WEBHOOK_STORED = "webhook.stored",
}
