//! Flows: series of mails that follow from an order. Each has its times and its purpose, and ends when the purpose is reached or
//! cannot be reached any more.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::wire_enum;

use super::order::{DisputeState, FulfilmentState, Order, PaymentState, Tier};

wire_enum! {
    /// A flow.
    pub(crate) enum Flow {
        /// Reminds of the intake form, then tells operators that it is missing.
        IntakeReminders = "INTAKE_REMINDERS",
        /// Offers a Starter customer the next tier at a lower price.
        UpgradeOffer = "UPGRADE_OFFER",
        /// Asks how the automation works, after the order was accepted.
        NextSteps = "NEXT_STEPS",
    }
}

/// Why a flow ends before its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All its steps were taken.
    Done,
    /// The intake form came.
    IntakeSubmitted,
    /// The order was refunded, is disputed, or ended.
    OrderOver,
    /// The customer bought a higher tier.
    Upgraded,
    /// No promotion code is set, so there is nothing to offer.
    NoOffer,
    /// The customer unsubscribed, objected, or never agreed to such mails.
    NoAdvertising,
}

impl End {
    /// The name in the database, in guards and in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::IntakeSubmitted => "INTAKE_SUBMITTED",
            Self::OrderOver => "ORDER_OVER",
            Self::Upgraded => "UPGRADED",
            Self::NoOffer => "NO_OFFER",
            Self::NoAdvertising => "NO_ADVERTISING",
        }
    }
}

/// What to do in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Remind of the intake form. The number counts the reminders.
    Remind(i32),
    /// Tell operators that the intake form is missing.
    TellOperators,
    /// Offer the next tier.
    Offer,
    /// Remind of that offer.
    LastCall,
    /// Ask how the automation works.
    Ask,
}

/// For how long the offer is good, from the beginning of the flow.
pub(crate) const OFFER_GOOD_FOR: TimeDelta = TimeDelta::hours(48);

const INTAKE_REMINDERS: &[(TimeDelta, Step)] = &[
    (TimeDelta::hours(24), Step::Remind(1)),
    (TimeDelta::hours(72), Step::Remind(2)),
    (TimeDelta::days(7), Step::Remind(3)),
    (TimeDelta::days(8), Step::TellOperators),
];
const UPGRADE_OFFER: &[(TimeDelta, Step)] =
    &[(TimeDelta::hours(12), Step::Offer), (TimeDelta::hours(36), Step::LastCall)];
const NEXT_STEPS: &[(TimeDelta, Step)] = &[(TimeDelta::days(7), Step::Ask)];

impl Flow {
    /// The steps, each with its time after the beginning of the flow.
    const fn steps(self) -> &'static [(TimeDelta, Step)] {
        match self {
            Self::IntakeReminders => INTAKE_REMINDERS,
            Self::UpgradeOffer => UPGRADE_OFFER,
            Self::NextSteps => NEXT_STEPS,
        }
    }

    /// Whether its mails are advertising, which needs the customer's permission.
    pub(crate) const fn is_advertising(self) -> bool {
        match self {
            Self::UpgradeOffer | Self::NextSteps => true,
            Self::IntakeReminders => false,
        }
    }

    /// A step by its number, from 1 on, and its time.
    pub(crate) fn step(self, number: i32, begin: DateTime<Utc>) -> Option<(DateTime<Utc>, Step)> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.steps().get(place).map(|(after, step)| (begin + *after, *step))
    }

    /// Why the flow must not go on with this order now. `has_higher_tier`: its customer bought a higher tier.
    pub(crate) fn ends(self, order: &Order, has_higher_tier: bool) -> Option<End> {
        let is_disputed = matches!(order.dispute_state, DisputeState::Open | DisputeState::Lost);
        let is_good = order.payment_state == PaymentState::Paid && !is_disputed;
        match self {
            Self::IntakeReminders => match order.fulfilment_state {
                Some(FulfilmentState::AwaitingIntake) if is_good => None,
                Some(FulfilmentState::AwaitingIntake | FulfilmentState::Ended) | None => Some(End::OrderOver),
                Some(_) => Some(End::IntakeSubmitted),
            },
            Self::UpgradeOffer if order.terms.tier != Tier::Starter || has_higher_tier => Some(End::Upgraded),
            Self::NextSteps if order.fulfilment_state != Some(FulfilmentState::Accepted) => {
                Some(End::OrderOver)
            }
            Self::UpgradeOffer | Self::NextSteps => {
                (!is_good || order.fulfilment_state == Some(FulfilmentState::Ended)).then_some(End::OrderOver)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_come_one_after_the_other() {
        let begin = DateTime::UNIX_EPOCH;
        for flow in Flow::ALL {
            let times: Vec<_> =
                (1..).map_while(|number| flow.step(number, begin)).map(|(time, _)| time).collect();
            assert!(times.is_sorted() && times.first().is_some_and(|first| *first > begin), "{flow:?}");
            assert!(flow.step(0, begin).is_none() && flow.step(-1, begin).is_none());
        }
        let hours = |flow: Flow| -> Vec<_> {
            let steps = (1..).map_while(|number| flow.step(number, begin));
            steps.map(|(time, step)| ((time - begin).num_hours(), step)).collect()
        };
        let reminders = [24, 72, 7 * 24].into_iter().zip((1..).map(Step::Remind));
        let reminders: Vec<(i64, Step)> = reminders.chain([(8 * 24, Step::TellOperators)]).collect();
        assert_eq!(hours(Flow::IntakeReminders), reminders);
        assert_eq!(hours(Flow::UpgradeOffer), [(12, Step::Offer), (36, Step::LastCall)]);
        assert_eq!(hours(Flow::NextSteps), [(7 * 24, Step::Ask)]);
        let (last_call, step) = Flow::UpgradeOffer.step(2, begin).expect("a step");
        assert!(
            step == Step::LastCall && last_call < begin + OFFER_GOOD_FOR,
            "it is said while the code is good"
        );
    }
}
