//! The states of a data request, and the steps between them.

use levqor_proto_compliance::v1 as wire;
use levqor_runtime::wire_enum;

use super::Entitlement;

wire_enum! {
    /// The state of a data request.
    pub(crate) enum State: wire::data_request::State {
        /// The code has not come yet.
        AwaitingCode = "AWAITING_CODE",
        /// It is worked on next.
        Received = "RECEIVED",
        /// An erasure that staff have not approved, or a correction or a restriction that staff have not accepted.
        AwaitingApproval = "AWAITING_APPROVAL",
        /// An erasure that is approved.
        Scheduled = "SCHEDULED",
        /// It is worked on.
        InProgress = "IN_PROGRESS",
        /// An erasure that has an obstacle.
        Waiting = "WAITING",
        /// It is done.
        Done = "DONE",
        /// It was cancelled.
        Cancelled = "CANCELLED",
        /// The code never came.
        Expired = "EXPIRED",
        /// Staff refused it, with reasons.
        Refused = "REFUSED",
    }
}

wire_enum! {
    /// What happens to a data request.
    pub(crate) enum Step {
        /// The code came.
        Confirm = "confirm it",
        /// The work on a copy begins.
        Build = "build a copy for it",
        /// The erasure is approved.
        Approve = "approve it",
        /// Staff accept the correction or the restriction.
        Accept = "accept it",
        /// The erasure begins.
        Erase = "erase for it",
        /// The erasure has an obstacle.
        Wait = "let it wait",
        /// Everything is done.
        Finish = "finish it",
        /// Its owner does not want it any more.
        Cancel = "cancel it",
        /// The code did not come in time.
        Expire = "let it expire",
        /// Its time to answer is extended.
        Extend = "extend its time to answer",
        /// Staff refuse it.
        Refuse = "refuse it",
    }
}

/// The step is not possible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the data request does not allow to {what}", what = .step.as_str())]
pub(crate) struct IllegalStep {
    pub(crate) step: Step,
}

impl State {
    /// The state after a step.
    pub(crate) const fn after(self, step: Step, entitlement: Entitlement) -> Result<Self, IllegalStep> {
        let is_erasure = matches!(entitlement, Entitlement::Erasure);
        let is_copy = matches!(entitlement, Entitlement::Access | Entitlement::Portability);
        match (self, step) {
            (Self::AwaitingCode, Step::Confirm) => Ok(Self::of_proven(entitlement)),
            (Self::AwaitingCode, Step::Expire) => Ok(Self::Expired),
            (Self::Received | Self::InProgress, Step::Build) if is_copy => Ok(Self::InProgress),
            (Self::AwaitingApproval, Step::Approve) if is_erasure => Ok(Self::Scheduled),
            (Self::AwaitingApproval, Step::Accept) if !is_erasure => Ok(Self::InProgress),
            (Self::Scheduled | Self::Waiting | Self::InProgress, Step::Erase) if is_erasure => {
                Ok(Self::InProgress)
            }
            (Self::Scheduled | Self::Waiting, Step::Wait) if is_erasure => Ok(Self::Waiting),
            (Self::InProgress, Step::Finish) => Ok(Self::Done),
            (Self::Received | Self::AwaitingApproval | Self::Scheduled | Self::Waiting, Step::Refuse) => {
                Ok(Self::Refused)
            }
            (
                Self::AwaitingCode
                | Self::Received
                | Self::AwaitingApproval
                | Self::Scheduled
                | Self::Waiting,
                Step::Cancel,
            ) => Ok(Self::Cancelled),
            _ => Err(IllegalStep { step }),
        }
    }

    /// The state of a request whose person is known.
    pub(super) const fn of_proven(entitlement: Entitlement) -> Self {
        match entitlement {
            Entitlement::Erasure | Entitlement::Rectification | Entitlement::Restriction => {
                Self::AwaitingApproval
            }
            Entitlement::Access | Entitlement::Portability => Self::Received,
            // It takes effect in the same transaction, which finishes it.
            Entitlement::Objection | Entitlement::ConsentWithdrawal => Self::InProgress,
        }
    }

    /// Whether nothing more happens.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Expired | Self::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_needs_the_step_before() {
        let all = [
            State::AwaitingCode,
            State::Received,
            State::AwaitingApproval,
            State::Scheduled,
            State::InProgress,
            State::Waiting,
            State::Done,
            State::Cancelled,
            State::Expired,
            State::Refused,
        ];
        for state in all {
            let erase = state.after(Step::Erase, Entitlement::Erasure);
            let may = matches!(state, State::Scheduled | State::Waiting | State::InProgress);
            assert_eq!(erase.is_ok(), may, "{state:?}");
            assert!(state.after(Step::Erase, Entitlement::Access).is_err(), "a copy erases nothing");
            assert!(state.after(Step::Build, Entitlement::Erasure).is_err());
            let cancel = state.after(Step::Cancel, Entitlement::Erasure);
            assert_eq!(cancel.is_ok(), !(state.is_over() || state == State::InProgress), "{state:?}");
            // People get the reason only after they have proven who they are.
            let refuse = state.after(Step::Refuse, Entitlement::Erasure);
            assert_eq!(refuse.is_ok(), cancel.is_ok() && state != State::AwaitingCode, "{state:?}");
        }
    }
}
