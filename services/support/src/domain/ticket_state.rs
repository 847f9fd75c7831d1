//! The state of a ticket: whom it waits for, and who may do what when.

use levqor_proto_support::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// Whom a ticket waits for.
    pub(crate) enum State: wire::ticket::State {
        /// Staff.
        Open = "OPEN",
        /// The customer.
        Pending = "PENDING",
        /// Something else, such as a vendor.
        OnHold = "ON_HOLD",
        /// No one: it is solved, and the customer may reopen it.
        Solved = "SOLVED",
        /// The ticket waits for no one, and stays closed.
        Closed = "CLOSED",
    }
}

wire_enum! {
    /// What can be done with a ticket.
    pub(crate) enum Action {
        /// Staff reply.
        StaffReply = "reply to it",
        /// The customer writes again.
        CustomerReply = "add to it",
        /// It waits for something else.
        Hold = "put it on hold",
        /// It is solved.
        Solve = "solve it",
        /// It needs staff again.
        Reopen = "reopen it",
        /// It was solved long ago, is part of another ticket, or is spam.
        Close = "close it",
    }
}

/// The action is not possible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the ticket does not allow to {what}", what = .action.as_str())]
pub(crate) struct IllegalMove {
    pub(crate) from: State,
    pub(crate) action: Action,
}

impl State {
    /// The state after an action.
    pub(crate) const fn after(self, action: Action) -> Result<Self, IllegalMove> {
        match (self, action) {
            (Self::Open | Self::Pending | Self::OnHold | Self::Solved, Action::StaffReply) => {
                Ok(Self::Pending)
            }
            (Self::Open | Self::Pending | Self::OnHold | Self::Solved, Action::CustomerReply)
            | (Self::Pending | Self::OnHold | Self::Solved, Action::Reopen) => Ok(Self::Open),
            (Self::Open | Self::Pending, Action::Hold) => Ok(Self::OnHold),
            (Self::Open | Self::Pending | Self::OnHold, Action::Solve) => Ok(Self::Solved),
            (Self::Open | Self::Pending | Self::OnHold | Self::Solved, Action::Close) => Ok(Self::Closed),
            (Self::Closed, _)
            | (Self::Open, Action::Reopen)
            | (Self::OnHold | Self::Solved, Action::Hold)
            | (Self::Solved, Action::Solve) => Err(IllegalMove { from: self, action }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Close, CustomerReply, Hold, Reopen, Solve, StaffReply};
    use State::{Closed, OnHold, Open, Pending, Solved};

    /// Every legal move. All others are illegal.
    const LEGAL: &[(State, Action, State)] = &[
        (Open, StaffReply, Pending),
        (Open, CustomerReply, Open),
        (Open, Hold, OnHold),
        (Open, Solve, Solved),
        (Open, Close, Closed),
        (Pending, StaffReply, Pending),
        (Pending, CustomerReply, Open),
        (Pending, Hold, OnHold),
        (Pending, Solve, Solved),
        (Pending, Reopen, Open),
        (Pending, Close, Closed),
        (OnHold, StaffReply, Pending),
        (OnHold, CustomerReply, Open),
        (OnHold, Solve, Solved),
        (OnHold, Reopen, Open),
        (OnHold, Close, Closed),
        (Solved, StaffReply, Pending),
        (Solved, CustomerReply, Open),
        (Solved, Reopen, Open),
        (Solved, Close, Closed),
    ];

    #[test]
    fn every_pair_of_state_and_action_is_legal_or_refused_with_a_reason() {
        for from in State::ALL {
            for action in Action::ALL {
                let legal = LEGAL.iter().find(|(state, of, _)| (*state, *of) == (from, action));
                let expected = legal.map(|(.., to)| *to).ok_or(IllegalMove { from, action });
                assert_eq!(from.after(action), expected, "{from:?} and {action:?}");
                if let Err(refused) = from.after(action) {
                    let words = format!("the state of the ticket does not allow to {}", action.as_str());
                    assert_eq!(refused.to_string(), words);
                }
            }
        }
    }
}
