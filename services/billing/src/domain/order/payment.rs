//! The state of an order's payment, and of a dispute about it. Both come from Stripe, and never move back.

use levqor_proto_billing::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// The state of a payment, in ascending order. It never moves back, so the result does not depend on the order of Stripe's
    /// events. Paid is above cancelled, because a customer who paid is owed the work.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum PaymentState: wire::order::PaymentState {
        /// The order is not paid.
        Pending = "PENDING",
        /// The checkout ended without payment.
        Cancelled = "CANCELLED",
        /// The order is paid.
        Paid = "PAID",
        /// A part of the payment was paid back.
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        /// The payment was paid back.
        Refunded = "REFUNDED",
    }
}

impl PaymentState {
    /// Whether money has arrived, whatever was paid back of it.
    pub(crate) fn is_paid(self) -> bool {
        self >= Self::Paid
    }
}

wire_enum! {
    /// The state of a dispute. A decision is final.
    pub(crate) enum DisputeState: wire::order::DisputeState {
        /// There never was a dispute.
        None = "NONE",
        /// The customer's bank has not decided.
        Open = "OPEN",
        /// The bank decided for us.
        Won = "WON",
        /// The bank decided for the customer.
        Lost = "LOST",
    }
}

impl DisputeState {
    /// Whether Stripe's event may change the state to `next`. A late event changes nothing.
    pub(crate) const fn rises_to(self, next: Self) -> bool {
        match (self, next) {
            (Self::None, Self::Open | Self::Won | Self::Lost) | (Self::Open, Self::Won | Self::Lost) => true,
            (Self::None | Self::Open, Self::None)
            | (Self::Open, Self::Open)
            | (Self::Won | Self::Lost, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dispute_rises_to_its_decision_and_stays_there() {
        use DisputeState::{Lost, None, Open, Won};
        let rises = [(None, Open), (None, Won), (None, Lost), (Open, Won), (Open, Lost)];
        for from in DisputeState::ALL {
            for to in DisputeState::ALL {
                assert_eq!(from.rises_to(to), rises.contains(&(from, to)), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn an_amount_that_was_paid_back_had_been_paid() {
        let paid = PaymentState::ALL.into_iter().filter(|state| state.is_paid()).collect::<Vec<_>>();
        assert_eq!(paid, [PaymentState::Paid, PaymentState::PartiallyRefunded, PaymentState::Refunded]);
    }
}
