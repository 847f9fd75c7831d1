//! Errors of billing, and the codes that callers get.

use std::time::Duration;

use levqor_runtime::{
    db::DbError, error::Invalid, idempotency::IdempotencyError, rpc::BrokenOff, service_error,
    shared_commit::NotWritten, storage::StorageError, webhook::WebhookError,
};

use crate::domain::{
    buyer::EmailNotVerified,
    order::{IllegalMove, NotOwned, NotPossible},
    refund::NotRefundable,
    subscription::NotInThisState,
    withdrawal::{IllegalStep, Refusal},
};

service_error! {
    /// An RPC's failure.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        /// The request is not valid.
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        /// The webhook is refused.
        #[error(transparent)]
        Webhook(#[from] WebhookError) => source,
        /// The order does not exist or has another owner. Callers must not see the difference.
        #[error("there is no such order")]
        OrderNotFound => NotFound "ORDER_NOT_FOUND",
        /// The answers of a form have high-risk data that must not be taken.
        #[error("this text names data that we do not accept, such as health data or card numbers: please leave it out")]
        HighRiskData => FailedPrecondition "HIGH_RISK_DATA",
        /// The order has no owner to remove.
        #[error(transparent)]
        OrderNotOwned(#[from] NotOwned) => FailedPrecondition "ORDER_NOT_OWNED",
        /// Notifications cannot say whether a customer may get a mail. The step is taken later.
        #[error("notifications did not answer: {0}")]
        NotificationsUnavailable(&'static str) => Unavailable "NOTIFICATIONS_UNAVAILABLE",
        /// Settings that are needed to sell are missing. The text names them.
        #[error("nothing can be sold here: {0}")]
        ShopClosed(&'static str) => FailedPrecondition "SHOP_CLOSED",
        /// Stripe does not answer. The request is stored, and may be made again.
        #[error("the payment provider does not answer right now; try again")]
        StripeUnavailable(Duration) => Unavailable "STRIPE_UNAVAILABLE" after |after| Some(*after),
        /// Stripe refuses the request.
        #[error("the payment provider refused the request")]
        StripeRefused => FailedPrecondition "STRIPE_REFUSED",
        /// The customer's card or bank refuses the payment.
        #[error("the payment was declined: another means of payment is needed")]
        PaymentDeclined => FailedPrecondition "PAYMENT_DECLINED",
        /// The caller has no verified mail address.
        #[error(transparent)]
        EmailNotVerified(#[from] EmailNotVerified) => FailedPrecondition "EMAIL_NOT_VERIFIED",
        /// The caller tried to check out too often.
        #[error("too many checkouts were tried; wait a moment")]
        TooManyCheckouts(Duration) => RateLimited "TOO_MANY_CHECKOUTS" after |after| Some(*after),
        /// The caller has a live subscription already.
        #[error("you already have a subscription: change it instead of buying another one")]
        AlreadySubscribed => AlreadyExists "ALREADY_SUBSCRIBED",
        /// The caller has never bought anything.
        #[error("you have not bought anything yet")]
        CustomerNotFound => NotFound "CUSTOMER_NOT_FOUND",
        /// The caller has no subscription.
        #[error("you have no subscription")]
        SubscriptionNotFound => NotFound "SUBSCRIPTION_NOT_FOUND",
        /// The subscription's state does not allow it.
        #[error(transparent)]
        NotInThisState(#[from] NotInThisState) => FailedPrecondition "SUBSCRIPTION_STATE",
        /// Nothing would change.
        #[error("your subscription already has this plan, term and add-ons")]
        NothingChanges => FailedPrecondition "NOTHING_CHANGES",
        /// The money cannot be given back.
        #[error(transparent)]
        NotRefundable(#[from] NotRefundable) => FailedPrecondition "NOT_REFUNDABLE",
        /// The refund does not exist.
        #[error("there is no such refund")]
        RefundNotFound => NotFound "REFUND_NOT_FOUND",
        /// The customer cannot withdraw from the contract.
        #[error(transparent)]
        NotWithdrawable(#[from] Refusal) => FailedPrecondition "NOT_WITHDRAWABLE",
        /// The customer confirms something else than what can be done now.
        #[error("the offer has changed since it was shown: get it again before you confirm it")]
        OfferChanged => FailedPrecondition "WITHDRAWAL_OFFER_CHANGED",
        /// The state of the withdrawal does not allow a step of its settling.
        #[error(transparent)]
        WithdrawalState(#[from] IllegalStep) => FailedPrecondition "WITHDRAWAL_STATE",
        /// The withdrawal does not exist.
        #[error("there is no such withdrawal")]
        WithdrawalNotFound => NotFound "WITHDRAWAL_NOT_FOUND",
        /// The order is not paid, so there is no work on it.
        #[error("the order is not paid")]
        OrderNotPaid => FailedPrecondition "ORDER_NOT_PAID",
        /// The state of the work does not allow the step.
        #[error(transparent)]
        OrderState(IllegalMove) => FailedPrecondition "ORDER_STATE",
        /// The order includes no more revisions.
        #[error("the order includes no more revisions")]
        NoRevisionsLeft => FailedPrecondition "NO_REVISIONS_LEFT",
        /// The time for revisions is over.
        #[error("a revision can be requested until 14 days after the delivery")]
        RevisionPeriodOver => FailedPrecondition "REVISION_PERIOD_OVER",
        /// The file does not exist, or is of another order.
        #[error("there is no such file")]
        FileNotFound => NotFound "FILE_NOT_FOUND",
        /// A customer cannot delete what staff uploaded.
        #[error("staff uploaded this file, so only staff can delete it")]
        FileOfStaff => FailedPrecondition "FILE_OF_STAFF",
        /// The order has as many files as it may have.
        #[error("an order has at most 50 files")]
        TooManyFiles => FailedPrecondition "TOO_MANY_FILES",
        /// There is no storage.
        #[error("files are off: no storage is configured")]
        FilesOff => FailedPrecondition "FILES_OFF",
        /// The link is unknown, wrong, expired or revoked. Callers must not see the difference.
        #[error("this link is not valid")]
        LinkNotFound => NotFound "LINK_NOT_FOUND",
        /// The upload was interrupted.
        #[error(transparent)]
        BrokenOff(#[from] BrokenOff) => source,
        /// The storage.
        #[error(transparent)]
        Storage(#[from] StorageError) => source,
        /// The event does not exist.
        #[error("there is no such Stripe event")]
        StripeEventNotFound => NotFound "STRIPE_EVENT_NOT_FOUND",
        /// The event to replay has no body and cannot be refetched.
        #[error("the event's body was purged, and its object cannot be fetched from Stripe")]
        BodyPurged => FailedPrecondition "BODY_PURGED",
        /// The call's idempotency key.
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        /// The event could not be stored.
        #[error(transparent)]
        Intake(#[from] NotWritten) => source,
        /// The database.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

impl From<NotPossible> for Error {
    fn from(reason: NotPossible) -> Self {
        match reason {
            NotPossible::NotPaid => Self::OrderNotPaid,
            NotPossible::State(illegal) => Self::OrderState(illegal),
            NotPossible::NoRevisionsLeft => Self::NoRevisionsLeft,
            NotPossible::RevisionPeriodOver => Self::RevisionPeriodOver,
        }
    }
}
