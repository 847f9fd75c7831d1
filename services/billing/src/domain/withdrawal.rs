//! The rules of withdrawals: until when a customer can withdraw from a contract, and how much is paid back.
//!
//! Two rules overlap, and the customer always gets the amount of the better one:
//!
//! | | begins | lasts | pays back |
//! |---|---|---|---|
//! | our guarantee | with the first payment | 14 days | everything; the work is kept |
//! | the right of withdrawal by law | with the contract | 14 days; if the last one is a Saturday or Sunday, until Monday | everything; if the customer asked at checkout for a start at once, less the part that was provided |
//!
//! Consumer Rights Directive (2011/83/EU): art. 9 gives the right and its 14 days, art. 11a the two steps in which customers
//! withdraw online, art. 13 the repayment, art. 14(3) what the customer pays for the part that was provided, art. 16(a) the end
//! of the right when everything was provided. The days are counted by Regulation 1182/71, art. 3, as calendar days in London.
//! Public holidays do not prolong them here, because they differ from country to country. If a customer is late because of one,
//! staff can make a refund.

mod period;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use levqor_proto_billing::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};
use ring::digest;

pub(crate) use self::period::last_day_in_words;
use self::period::{Weekend, day_in_words, end_of_14_days};
use super::{
    money::Money,
    order::{FulfilmentState, Order, OrderId},
    refund::{self, Refund},
    subscription::{self, Subscription, SubscriptionId},
};

typed_id!(pub(crate) WithdrawalId, "a withdrawal");

wire_enum! {
    /// The state of a withdrawal's money.
    pub(crate) enum State: wire::withdrawal::State {
        /// The money is being paid back.
        Requested = "REQUESTED",
        /// The customer's bank has the money because of a dispute.
        Waiting = "WAITING",
        /// The money is paid back, or there was none to pay back.
        Completed = "COMPLETED",
        /// Not all of the money could be paid back.
        Failed = "FAILED",
    }
}

wire_enum! {
    /// The rule that gives the customer the amount.
    pub(crate) enum Rule: wire::withdrawal::Rule {
        /// The guarantee.
        Guarantee = "GUARANTEE",
        /// The right of withdrawal by law.
        Right = "RIGHT",
    }
}

/// A step of settling a withdrawal. The outcomes of refunds are not steps: `Withdrawal::follow` applies them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait for the decision of the bank, which has the money. A completed withdrawal waits too: if nothing was paid before the
    /// statement, a charge that came just after it may be disputed.
    Wait,
    /// Pay back: a refund is stored.
    PayBack,
    /// Close the withdrawal: nothing is left to pay back.
    Close,
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IllegalStep {
    /// There is nothing to pay back.
    #[error("the withdrawal is completed: its money was paid back")]
    Completed,
    /// The customer is still owed money.
    #[error("the withdrawal has failed: not all of its money could be paid back")]
    Failed,
}

impl State {
    /// The state after a step.
    const fn after(self, step: Step) -> Result<Self, IllegalStep> {
        match (self, step) {
            (Self::Requested | Self::Waiting | Self::Completed | Self::Failed, Step::Wait) => {
                Ok(Self::Waiting)
            }
            (Self::Requested | Self::Waiting | Self::Failed, Step::PayBack) => Ok(Self::Requested),
            (Self::Requested | Self::Waiting | Self::Completed, Step::Close) => Ok(Self::Completed),
            (Self::Completed, Step::PayBack) => Err(IllegalStep::Completed),
            (Self::Failed, Step::Close) => Err(IllegalStep::Failed),
        }
    }
}

/// Why a customer cannot withdraw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Nothing was paid.
    #[error("there is no contract yet, because nothing was paid")]
    NotPaid,
    /// It was possible until this instant.
    #[error("a withdrawal was possible until {}", last_day_in_words(*.0))]
    PeriodOver(DateTime<Utc>),
    /// The contract has ended.
    #[error("the contract has ended already")]
    Ended,
    /// Everything is paid back.
    #[error("everything that was paid is paid back already")]
    NothingLeft,
}

/// The contract of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// An order.
    Order(OrderId),
    /// A subscription.
    Subscription(SubscriptionId),
}

/// How much of the promised work has been provided: `done` parts of `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provided {
    done: i64,
    all: i64,
}

/// The facts of a contract that the rules need.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) about: About,
    /// The name of the bought package, as customers read it.
    pub(crate) item: String,
    /// When it was concluded. `None`: not yet.
    pub(crate) conclusion: Option<DateTime<Utc>>,
    /// When the first payment came. `None`: nothing was paid so far, as in a trial.
    pub(crate) pay_time: Option<DateTime<Utc>>,
    /// Everything that was paid.
    pub(crate) paid: Money,
    /// The part of it that was paid back, or is about to be.
    pub(crate) refunded: i64,
    pub(crate) ended: bool,
    /// Whether the customer asked at checkout for a start within the 14 days.
    pub(crate) start_at_once: bool,
    pub(crate) provided: Provided,
}

/// The steps that a customer can take now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The end of the time in which they can or could withdraw. `None` without a contract.
    pub(crate) end_time: Option<DateTime<Utc>>,
    pub(crate) verdict: Result<Possible, Refusal>,
}

/// A withdrawal that can be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Possible {
    pub(crate) rule: Rule,
    pub(crate) amount: Money,
    /// The statement that the customer makes by confirming it.
    pub(crate) statement: String,
    /// A hash of the statement, rule, amount and end. The confirmation sends it back, so customers confirm only an offer that they have
    /// seen.
    pub(crate) etag: String,
}

/// A withdrawal that was made.
#[derive(Clone)]
pub(crate) struct Withdrawal {
    pub(crate) id: WithdrawalId,
    pub(crate) about: About,
    pub(crate) state: State,
    pub(crate) rule: Rule,
    pub(crate) amount: Money,
    pub(crate) statement: String,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

impl Provided {
    /// Nothing yet.
    pub(crate) const NOTHING: Self = Self { done: 0, all: 1 };
    /// All of it.
    pub(crate) const ALL: Self = Self { done: 1, all: 1 };

    /// The part of a period that has passed, in whole hours, so that an offer stays the same long enough to be confirmed.
    fn of_time(begin: DateTime<Utc>, end: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let all = (end - begin).num_hours().max(1);
        Self { done: (now - begin).num_hours().clamp(0, all), all }
    }

    const fn is_all(self) -> bool {
        self.done >= self.all
    }

    /// The share of the paid amount for the work that was not provided yet, rounded up.
    fn left_of(self, paid: i64) -> i64 {
        let used = i128::from(paid) * i128::from(self.done) / i128::from(self.all);
        paid - i64::try_from(used).unwrap_or(paid)
    }
}

impl About {
    /// The number by which the customer knows the contract.
    pub(crate) fn reference(self) -> String {
        match self {
            Self::Order(id) => id.to_string(),
            Self::Subscription(id) => id.to_string(),
        }
    }
}

impl Contract {
    /// The contract of an order. `refunded`: the amount that was paid back or is about to be.
    pub(crate) fn of_order(order: &Order, refunded: i64, start_at_once: bool, now: DateTime<Utc>) -> Self {
        let provided = match order.fulfilment_state {
            None | Some(FulfilmentState::AwaitingIntake | FulfilmentState::IntakeSubmitted) => {
                Provided::NOTHING
            }
            Some(FulfilmentState::InProgress) => match (order.submit_time, order.due_time) {
                (Some(begin), Some(due)) => Provided::of_time(begin, due, now),
                _ => Provided::NOTHING,
            },
            Some(
                FulfilmentState::Delivered
                | FulfilmentState::Accepted
                | FulfilmentState::RevisionRequested
                | FulfilmentState::Ended,
            ) => Provided::ALL,
        };
        Self {
            about: About::Order(order.id),
            item: format!("{}, done for you", order.terms.tier.title()),
            // The contract could also count as concluded before the payment. The later time is better for the customer.
            conclusion: order.pay_time,
            pay_time: order.pay_time,
            paid: Money { currency: order.terms.amount.currency.clone(), minor_units: order.paid_minor },
            refunded,
            ended: order.fulfilment_state == Some(FulfilmentState::Ended),
            start_at_once,
            provided,
        }
    }

    /// The contract of a subscription. `paid` is everything that was paid for it, `pay_time` the time of the first payment.
    pub(crate) fn of_subscription(
        subscription: &Subscription,
        paid: Money,
        refunded: i64,
        pay_time: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        let has_begun = subscription.state.has_begun();
        let period = subscription.period_start_time.zip(subscription.period_end_time);
        Self {
            about: About::Subscription(subscription.id),
            item: format!("{} subscription", subscription.package),
            conclusion: subscription.start_time.or(Some(subscription.create_time)).filter(|_| has_begun),
            pay_time,
            // The customer can still withdraw from a subscription that has ended, if something was paid for it.
            ended: subscription.state == subscription::State::Canceled && paid.minor_units == 0,
            paid,
            refunded,
            start_at_once: subscription.start_at_once == Some(true),
            provided: period.map_or(Provided::NOTHING, |(begin, end)| Provided::of_time(begin, end, now)),
        }
    }

    /// The steps that the customer can take now.
    pub(crate) fn offer(&self, now: DateTime<Utc>) -> Offer {
        let Some(concluded) = self.conclusion else {
            return Offer { end_time: None, verdict: Err(Refusal::NotPaid) };
        };
        let rules = self.rules(concluded);
        let end_time = rules.iter().map(|(_, end, _)| *end).max().unwrap_or(concluded);
        let in_force = rules.into_iter().filter(|(_, end, _)| now < *end);
        // If both rules give the same amount, the guarantee is taken.
        let best = in_force.rev().max_by_key(|(_, _, amount)| *amount);
        let verdict = match best {
            _ if self.paid.minor_units > 0 && self.refunded >= self.paid.minor_units => {
                Err(Refusal::NothingLeft)
            }
            _ if self.ended => Err(Refusal::Ended),
            None => Err(Refusal::PeriodOver(end_time)),
            Some((rule, _, amount)) => Ok(self.possible(rule, amount, concluded, end_time)),
        };
        Offer { end_time: Some(end_time), verdict }
    }

    /// The rules, each with the instant when it ends and the amount that it gives.
    fn rules(&self, concluded: DateTime<Utc>) -> Vec<(Rule, DateTime<Utc>, i64)> {
        let paid = self.paid.minor_units;
        let guarantee = end_of_14_days(self.pay_time.unwrap_or(concluded), Weekend::Counts);
        let mut rules = vec![(Rule::Guarantee, guarantee, paid)];
        let right = end_of_14_days(concluded, Weekend::Prolongs);
        if !self.start_at_once {
            rules.push((Rule::Right, right, paid));
        } else if !self.provided.is_all() {
            rules.push((Rule::Right, right, self.provided.left_of(paid)));
        }
        rules
    }

    fn possible(
        &self,
        rule: Rule,
        amount: i64,
        concluded: DateTime<Utc>,
        end_time: DateTime<Utc>,
    ) -> Possible {
        let reference = self.about.reference();
        let amount =
            Money { currency: self.paid.currency.clone(), minor_units: (amount - self.refunded).max(0) };
        let statement = format!(
            "I withdraw from the contract for {}, number {reference}, concluded on {}.",
            self.item,
            day_in_words(concluded)
        );
        let said = format!(
            "{statement}\n{}\n{} {}\n{}",
            rule.as_str(),
            amount.minor_units,
            amount.currency,
            end_time.timestamp()
        );
        let hash = digest::digest(&digest::SHA256, said.as_bytes());
        let etag = hex::encode(&hash.as_ref()[..16]);
        Possible { rule, amount, statement, etag }
    }
}

impl Withdrawal {
    /// A withdrawal that the customer states now.
    pub(crate) fn new(about: About, possible: Possible, now: DateTime<Utc>) -> Self {
        let state = if possible.amount.minor_units == 0 { State::Completed } else { State::Requested };
        Self {
            id: WithdrawalId::new_at(now),
            about,
            state,
            rule: possible.rule,
            amount: possible.amount,
            statement: possible.statement,
            create_time: now,
            update_time: now,
        }
    }

    /// Sets the state by the states of the withdrawal's refunds. Returns whether the state has changed.
    pub(crate) fn follow(&mut self, refunds: &[Refund], now: DateTime<Utc>) -> bool {
        let back: i64 = refunds
            .iter()
            .filter(|refund| refund.state == refund::State::Succeeded)
            .map(|refund| refund.amount.minor_units)
            .sum();
        let under_way =
            |refund: &Refund| matches!(refund.state, refund::State::Requested | refund::State::Pending);
        let state = if refunds.iter().any(under_way) {
            State::Requested
        } else if back >= self.amount.minor_units {
            State::Completed
        } else {
            State::Failed
        };
        self.set(state, now)
    }

    /// Takes a step. Returns whether the state has changed.
    pub(crate) fn take(&mut self, step: Step, now: DateTime<Utc>) -> Result<bool, IllegalStep> {
        let state = self.state.after(step)?;
        Ok(self.set(state, now))
    }

    fn set(&mut self, state: State, now: DateTime<Utc>) -> bool {
        let is_news = self.state != state;
        if is_news {
            self.state = state;
            self.update_time = now;
        }
        is_news
    }
}
