//! Everything that can go wrong in this service, and what callers are told about it.

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
        /// The request is wrong.
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        /// The database.
        #[error(transparent)]
        Database(#[from] DbError) => source,
        /// The request's key is in use.
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        /// There is no such message.
        #[error("there is no such message")]
        MessageNotFound => NotFound "MESSAGE_NOT_FOUND",
        /// A template does not render.
        #[error("render the message")]
        Render(#[source] minijinja::Error) => Internal "TEMPLATE_BROKEN",
        /// The provider has not said that it took the message, and is asked again.
        #[error("the mail provider has not taken the message yet")]
        ProviderUnavailable(#[source] Trouble) =>
            Unavailable "MAIL_PROVIDER_UNAVAILABLE" after |trouble| trouble.retry_after,
        /// Another delivery of the same message is at work; what is left of its time.
        #[error("another delivery of the message is under way")]
        DeliveryUnderWay(Duration) => Aborted "DELIVERY_UNDER_WAY" after |left| Some(*left),
        /// What came of an attempt cannot be written down, because something else is known of it already.
        #[error("something else is known of the delivery attempt already")]
        AttemptContradicted => Internal "ATTEMPT_CONTRADICTED",
        /// There is nothing to resolve.
        #[error(transparent)]
        NotInDoubt(#[from] NotInDoubt) => FailedPrecondition "MESSAGE_NOT_IN_DOUBT",
        /// It cannot be sent again.
        #[error(transparent)]
        NotResendable(#[from] NotResendable) => source,
        /// The webhook is not taken.
        #[error(transparent)]
        Webhook(#[from] WebhookError) => source,
        /// There is no such event.
        #[error("there is no such event of a provider")]
        ProviderEventNotFound => NotFound "PROVIDER_EVENT_NOT_FOUND",
        /// An event lacks what is needed of it.
        #[error("the provider's event is not understood")]
        EventNotUnderstood(#[source] Invalid) => InvalidArgument "PROVIDER_EVENT_NOT_UNDERSTOOD" + source,
        /// An event has nothing to read any more.
        #[error("the event's body was purged")]
        BodyPurged => FailedPrecondition "BODY_PURGED",
    }
}
