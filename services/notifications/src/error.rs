//! All errors of this service, and what callers are told about each.

use std::time::Duration;

use levqor_runtime::{
    db::DbError, error::Invalid, idempotency::IdempotencyError, service_error, webhook::WebhookError,
};

use crate::{
    domain::message::{NotInDoubt, NotResendable},
    provider::Trouble,
};

service_error! {
    /// An error of this service.
    #[derive(Debug, thiserror::Error)]
    pub enum Error {
        /// The request is invalid.
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        /// The database failed.
        #[error(transparent)]
        Database(#[from] DbError) => source,
        /// The idempotency key of the request is in use.
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        /// There is no such message.
        #[error("there is no such message")]
        MessageNotFound => NotFound "MESSAGE_NOT_FOUND",
        /// A template does not render.
        #[error("render the message")]
        Render(#[source] minijinja::Error) => Internal "TEMPLATE_BROKEN",
        /// The provider has not said that it took the message. The delivery is retried.
        #[error("the mail provider has not taken the message yet")]
        ProviderUnavailable(#[source] Trouble) =>
            Unavailable "MAIL_PROVIDER_UNAVAILABLE" after |trouble| trouble.retry_after,
        /// Another delivery of the same message is under way. It has at most this time left.
        #[error("another delivery of the message is under way")]
        DeliveryUnderWay(Duration) => Aborted "DELIVERY_UNDER_WAY" after |left| Some(*left),
        /// The outcome of an attempt cannot be stored, because the attempt already has a different outcome.
        #[error("something else is known of the delivery attempt already")]
        AttemptContradicted => Internal "ATTEMPT_CONTRADICTED",
        /// The message is not in doubt, so there is nothing to resolve.
        #[error(transparent)]
        NotInDoubt(#[from] NotInDoubt) => FailedPrecondition "MESSAGE_NOT_IN_DOUBT",
        /// The message cannot be sent again.
        #[error(transparent)]
        NotResendable(#[from] NotResendable) => source,
        /// The webhook is refused.
        #[error(transparent)]
        Webhook(#[from] WebhookError) => source,
        /// There is no such event.
        #[error("there is no such event of a provider")]
        ProviderEventNotFound => NotFound "PROVIDER_EVENT_NOT_FOUND",
        /// The event lacks a field that this service needs.
        #[error("the provider's event is not understood")]
        EventNotUnderstood(#[source] Invalid) => InvalidArgument "PROVIDER_EVENT_NOT_UNDERSTOOD" + source,
        /// The body of the event was purged, so the event cannot be processed again.
        #[error("the event's body was purged")]
        BodyPurged => FailedPrecondition "BODY_PURGED",
    }
}
