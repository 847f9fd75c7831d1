//! All errors of this service, each with the code and reason that callers get.

use std::time::Duration;

use levqor_runtime::{
    db::DbError, error::Invalid, idempotency::IdempotencyError, service_error, webhook::WebhookError,
};

use crate::{
    domain::{
        link_token::NotAToken,
        message::{NotInDoubt, NotResendable},
        newsletter::Expired,
    },
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
        /// There is no such template, or it has no such sample.
        #[error("there is no such template or sample")]
        TemplateNotFound => NotFound "TEMPLATE_NOT_FOUND",
        /// A template does not render.
        #[error("render the message")]
        Render(#[source] minijinja::Error) => Internal "TEMPLATE_BROKEN",
        /// The provider has not said that it took the message. The delivery is retried.
        #[error("the mail provider has not taken the message yet")]
        ProviderUnavailable(#[source] Trouble) =>
            Unavailable "MAIL_PROVIDER_UNAVAILABLE" after |trouble| trouble.retry_after,
        /// The service that asked for the message has not said whether it is still wanted. The delivery is retried.
        #[error("{service} has not said whether the message is still wanted: {what}")]
        GuardUnanswered {
            /// The service.
            service: String,
            /// The code of its answer, or why there was none.
            what: &'static str,
        } => Unavailable "GUARD_UNANSWERED",
        /// Another delivery of the same message is under way. It has at most this time left.
        #[error("another delivery of the message is under way")]
        DeliveryUnderWay(Duration) => Aborted "DELIVERY_UNDER_WAY" after |left| Some(*left),
        /// The outcome of an attempt cannot be stored, because the attempt already has a different outcome.
        #[error("the delivery attempt already has a different outcome")]
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
        /// The link that unsubscribes does not fit into a header, so the recipient could not unsubscribe.
        #[error("the link that unsubscribes does not fit into a header")]
        UnsubscribeLink => Internal "UNSUBSCRIBE_LINK_BROKEN",
        /// The token of a page's link is not one of ours.
        #[error(transparent)]
        LinkNotValid(#[from] NotAToken) => NotFound "LINK_NOT_VALID",
        /// The link of a confirmation is too old.
        #[error(transparent)]
        LinkExpired(#[from] Expired) => FailedPrecondition "LINK_EXPIRED",
        /// There is no such notice for operators.
        #[error("there is no such notice")]
        OperatorNoticeNotFound => NotFound "OPERATOR_NOTICE_NOT_FOUND",
        /// The channel has not said that it took the notice. The delivery is retried.
        #[error("the channel has not taken the notice yet")]
        ChannelUnavailable(Option<Duration>) =>
            Unavailable "OPERATOR_CHANNEL_UNAVAILABLE" after |retry_after| *retry_after,
        /// There is no such suppression.
        #[error("there is no such suppression")]
        SuppressionNotFound => NotFound "SUPPRESSION_NOT_FOUND",
        /// There is no such event.
        #[error("there is no such provider event")]
        ProviderEventNotFound => NotFound "PROVIDER_EVENT_NOT_FOUND",
        /// The event lacks a field that this service needs.
        #[error("the provider's event is not understood")]
        EventNotUnderstood(#[source] Invalid) => InvalidArgument "PROVIDER_EVENT_NOT_UNDERSTOOD" + source,
        /// There is no such received mail.
        #[error("there is no such received mail")]
        InboundMailNotFound => NotFound "INBOUND_MAIL_NOT_FOUND",
        /// The provider does not have the file of a received mail any more.
        #[error("the mail provider does not have the file any more")]
        AttachmentGone => NotFound "ATTACHMENT_GONE",
        /// The body of the event was purged, so the event cannot be processed again.
        #[error("the event's body was purged")]
        BodyPurged => FailedPrecondition "BODY_PURGED",
    }
}
