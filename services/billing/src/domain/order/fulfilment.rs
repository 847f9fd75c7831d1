//! The state of an order's work: who may do what when. It does not depend on the state of the payment.

use levqor_proto_billing::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// The state of the work on a paid order.
    pub(crate) enum FulfilmentState: wire::order::FulfilmentState {
        /// The customer has not submitted the intake form.
        AwaitingIntake = "AWAITING_INTAKE",
        /// The intake form is submitted; the delivery time runs.
        IntakeSubmitted = "INTAKE_SUBMITTED",
        /// Staff work on the order.
        InProgress = "IN_PROGRESS",
        /// The work is delivered.
        Delivered = "DELIVERED",
        /// The work is accepted.
        Accepted = "ACCEPTED",
        /// The customer requested a revision.
        RevisionRequested = "REVISION_REQUESTED",
        /// The order was refunded in full or withdrawn from.
        Ended = "ENDED",
    }
}

wire_enum! {
    /// What can be done with the work.
    pub(crate) enum Action {
        /// The customer submits the intake form.
        SubmitIntake = "submit the intake form",
        /// Staff start to work.
        Start = "start the work",
        /// Staff deliver the work.
        Deliver = "deliver the work",
        /// The customer requests a revision.
        RequestRevision = "request a revision",
        /// The customer accepts the work, or the time in which they could object is over.
        Accept = "accept the work",
        /// The order ends: it is refunded in full or withdrawn from.
        End = "end the order",
    }
}

/// The action is not possible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the order does not allow to {what}", what = .action.as_str())]
pub(crate) struct IllegalMove {
    pub(crate) from: FulfilmentState,
    pub(crate) action: Action,
}

impl FulfilmentState {
    /// The state after an action.
    pub(crate) const fn after(self, action: Action) -> Result<Self, IllegalMove> {
        match (self, action) {
            (Self::AwaitingIntake, Action::SubmitIntake) => Ok(Self::IntakeSubmitted),
            (Self::IntakeSubmitted | Self::RevisionRequested, Action::Start) => Ok(Self::InProgress),
            (Self::InProgress, Action::Deliver) => Ok(Self::Delivered),
            (Self::Delivered, Action::Accept) => Ok(Self::Accepted),
            (Self::Delivered | Self::Accepted, Action::RequestRevision) => Ok(Self::RevisionRequested),
            (
                Self::AwaitingIntake
                | Self::IntakeSubmitted
                | Self::InProgress
                | Self::Delivered
                | Self::Accepted
                | Self::RevisionRequested,
                Action::End,
            ) => Ok(Self::Ended),
            (from, action) => Err(IllegalMove { from, action }),
        }
    }

    /// Whether staff owe the customer a delivery.
    pub(crate) const fn is_owed(self) -> bool {
        matches!(self, Self::IntakeSubmitted | Self::InProgress | Self::RevisionRequested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Accept, Deliver, End, RequestRevision, Start, SubmitIntake};
    use FulfilmentState::{
        Accepted, AwaitingIntake, Delivered, Ended, InProgress, IntakeSubmitted, RevisionRequested,
    };

    /// Every legal move. All others are illegal.
    const LEGAL: &[(FulfilmentState, Action, FulfilmentState)] = &[
        (AwaitingIntake, SubmitIntake, IntakeSubmitted),
        (IntakeSubmitted, Start, InProgress),
        (InProgress, Deliver, Delivered),
        (Delivered, Accept, Accepted),
        (Delivered, RequestRevision, RevisionRequested),
        (Accepted, RequestRevision, RevisionRequested),
        (RevisionRequested, Start, InProgress),
        (AwaitingIntake, End, Ended),
        (IntakeSubmitted, End, Ended),
        (InProgress, End, Ended),
        (Delivered, End, Ended),
        (Accepted, End, Ended),
        (RevisionRequested, End, Ended),
    ];

    #[test]
    fn every_pair_of_state_and_action_is_legal_or_refused_with_a_reason() {
        for from in FulfilmentState::ALL {
            for action in Action::ALL {
                let legal = LEGAL.iter().find(|(state, of, _)| (*state, *of) == (from, action));
                let expected = legal.map(|(.., to)| *to).ok_or(IllegalMove { from, action });
                assert_eq!(from.after(action), expected, "{from:?} and {action:?}");
                if let Err(refused) = from.after(action) {
                    let words = format!("the state of the order does not allow to {}", action.as_str());
                    assert_eq!(refused.to_string(), words);
                }
            }
        }
    }

    #[test]
    fn a_delivery_is_owed_from_the_intake_and_from_each_revision_request_on() {
        let owed = FulfilmentState::ALL.into_iter().filter(|state| state.is_owed());
        assert_eq!(owed.collect::<Vec<_>>(), [IntakeSubmitted, InProgress, RevisionRequested]);
    }
}
