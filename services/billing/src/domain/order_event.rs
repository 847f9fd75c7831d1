//! The history of an order: each fact, and who caused it. It holds no names.

use chrono::{DateTime, Utc};
use levqor_proto_billing::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// What happened to an order.
    pub(crate) enum Kind: wire::order_event::Kind {
        /// It became paid.
        Paid = "PAID",
        /// The intake form was submitted.
        IntakeSubmitted = "INTAKE_SUBMITTED",
        /// The work was started.
        Started = "STARTED",
        /// The work was delivered.
        Delivered = "DELIVERED",
        /// A revision was requested.
        RevisionRequested = "REVISION_REQUESTED",
        /// The work was accepted.
        Accepted = "ACCEPTED",
        /// The delivery is overdue.
        Overdue = "OVERDUE",
        /// Money was paid back.
        Refunded = "REFUNDED",
        /// The customer disputes the payment.
        DisputeOpened = "DISPUTE_OPENED",
        /// The dispute was decided for us.
        DisputeWon = "DISPUTE_WON",
        /// The dispute was decided for the customer.
        DisputeLost = "DISPUTE_LOST",
        /// The order ended.
        Ended = "ENDED",
        /// The customer withdrew from the contract, and the order ended.
        Withdrawn = "WITHDRAWN",
        /// The delayed payment failed, and the order is cancelled.
        PaymentFailed = "PAYMENT_FAILED",
    }
}

wire_enum! {
    /// Who acts on an order.
    pub(crate) enum Party: wire::OrderParty {
        /// The customer, also by a link.
        Customer = "CUSTOMER",
        /// Staff.
        Staff = "STAFF",
        /// A schedule, or an event of Stripe.
        System = "SYSTEM",
    }
}

/// One step in the history of an order.
#[derive(Clone)]
pub(crate) struct OrderEvent {
    pub(crate) kind: Kind,
    pub(crate) party: Party,
    /// A comment about it. Empty if there is none.
    pub(crate) note: String,
    pub(crate) create_time: DateTime<Utc>,
}
