//! The fail points of the gateway, in the order in which a webhook reaches them.

levqor_runtime::fail_points! {
    /// The gateway has read a webhook, and has not passed it on.
    WEBHOOK_RECEIVED = "webhook.received",
    /// The service has answered that the event is stored. The sender has no answer yet.
    WEBHOOK_STORED = "webhook.stored",
}
