//! Errors of support, and the codes that callers get.

use levqor_runtime::{
    db::DbError, error::Invalid, idempotency::IdempotencyError, service_error, storage::StorageError,
};

use crate::domain::{
    complaint::Answered,
    conversation::Full,
    incident::IncidentOver,
    secret_token::NotAToken,
    status_subscriber::Expired,
    ticket::{MergeError, NotMergeable},
    ticket_state::IllegalMove,
};

service_error! {
    /// An RPC's failure.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        /// The request is not valid.
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        /// The conversation does not exist, belongs to another person, or the token is wrong. Callers must not see the difference.
        #[error("there is no such conversation")]
        ConversationNotFound => NotFound "CONVERSATION_NOT_FOUND",
        /// The conversation has as many messages as it may have.
        #[error(transparent)]
        ConversationFull(#[from] Full) => FailedPrecondition "CONVERSATION_FULL",
        /// A person must have the conversation for this, or must not have it.
        #[error("the state of the conversation does not allow this")]
        ConversationState => FailedPrecondition "CONVERSATION_STATE",
        /// The ticket does not exist, or belongs to another person. Callers must not see the difference.
        #[error("there is no such ticket")]
        TicketNotFound => NotFound "TICKET_NOT_FOUND",
        /// The state of the ticket does not allow the step.
        #[error(transparent)]
        TicketState(#[from] IllegalMove) => FailedPrecondition "TICKET_STATE",
        /// The tickets cannot be merged.
        #[error(transparent)]
        NotMergeable(#[from] NotMergeable) => FailedPrecondition "TICKETS_NOT_MERGEABLE",
        /// A text has high-risk data that must not be taken.
        #[error("this text names data that we do not accept, such as health data or card numbers: please leave it out")]
        HighRiskData => FailedPrecondition "HIGH_RISK_DATA",
        /// The caller has no verified mail address.
        #[error("a verified mail address is needed: the replies go there")]
        EmailNotVerified => FailedPrecondition "EMAIL_NOT_VERIFIED",
        /// The token of the form is not one of ours, or is too old.
        #[error("load the page again, and send the form again")]
        FormToken => FailedPrecondition "FORM_TOKEN_INVALID",
        /// The form came sooner than a person can fill it in.
        #[error("the form was sent too fast; send it again in a moment")]
        FormTooFast => FailedPrecondition "FORM_TOO_FAST",
        /// Notifications has not said whether an address may get advertising. The call is made again.
        #[error("notifications did not answer: {0}")]
        NotificationsUnavailable(&'static str) => Unavailable "NOTIFICATIONS_UNAVAILABLE" after 5 s,
        /// Billing has not said whether an address has bought. The call is made again.
        #[error("billing did not answer: {0}")]
        BillingUnavailable(&'static str) => Unavailable "BILLING_UNAVAILABLE" after 5 s,
        /// There is no such complaint.
        #[error("there is no such complaint")]
        ComplaintNotFound => NotFound "COMPLAINT_NOT_FOUND",
        /// The complaint has its result already.
        #[error(transparent)]
        ComplaintAnswered(#[from] Answered) => FailedPrecondition "COMPLAINT_ANSWERED",
        /// There is no such incident.
        #[error("there is no such incident")]
        IncidentNotFound => NotFound "INCIDENT_NOT_FOUND",
        /// The state of the incident does not allow the step.
        #[error(transparent)]
        IncidentState(#[from] IncidentOver) => FailedPrecondition "INCIDENT_STATE",
        /// A maintenance is announced 24 hours before it begins.
        #[error("a maintenance must be announced 24 hours before it begins")]
        MaintenanceTooSoon => FailedPrecondition "MAINTENANCE_TOO_SOON",
        /// The ticket has no such file that the caller may see.
        #[error("the ticket has no such file")]
        FileNotFound => NotFound "FILE_NOT_FOUND",
        /// There is no storage.
        #[error("files are off: no storage is configured")]
        FilesOff => FailedPrecondition "FILES_OFF",
        /// A file that came by mail cannot be had at the moment. The call is made again.
        #[error("notifications did not give the file: {0}")]
        AttachmentUnavailable(&'static str) => Unavailable "ATTACHMENT_UNAVAILABLE" after 5 s,
        /// The storage.
        #[error(transparent)]
        Storage(#[from] StorageError) => source,
        /// The token of a page's link is not one of ours, or is replaced by a later one.
        #[error(transparent)]
        LinkNotValid(#[from] NotAToken) => NotFound "LINK_NOT_VALID",
        /// The link of a confirmation is too old.
        #[error(transparent)]
        LinkExpired(#[from] Expired) => FailedPrecondition "LINK_EXPIRED",
        /// A page does not render.
        #[error("render the page")]
        Render(#[source] minijinja::Error) => Internal "PAGE_BROKEN",
        /// There is no such canned reply.
        #[error("there is no such canned reply")]
        CannedReplyNotFound => NotFound "CANNED_REPLY_NOT_FOUND",
        /// There is a canned reply of this name.
        #[error("a canned reply with this name already exists")]
        CannedReplyExists => AlreadyExists "CANNED_REPLY_EXISTS",
        /// The article does not exist, or is not published.
        #[error("there is no such article")]
        ArticleNotFound => NotFound "ARTICLE_NOT_FOUND",
        /// There is an article of this name.
        #[error("an article with this slug already exists")]
        ArticleExists => AlreadyExists "ARTICLE_EXISTS",
        /// The article has a placeholder that nothing is known for at the moment.
        #[error("the article cannot be shown right now; try again")]
        ArticleUnfilled => Unavailable "ARTICLE_UNFILLED" after 10 s,
        /// The call's idempotency key.
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        /// The database.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

impl From<MergeError> for Error {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::NotMergeable(reason) => Self::NotMergeable(reason),
            MergeError::State(illegal) => Self::TicketState(illegal),
        }
    }
}
