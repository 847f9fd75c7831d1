//! A customer's subscription: our row, which mirrors Stripe's state, and what may be done in which state.

use chrono::{DateTime, Utc};
use levqor_proto_billing::v1 as wire;
use levqor_runtime::{email::Email, typed_id, wire_enum};

use super::{plan::Package, stripe_id::StripeId, stripe_subscription::StripeSubscription};

typed_id!(pub(crate) SubscriptionId, "a subscription");

wire_enum! {
    /// The state of a subscription: Stripe's states, and two of our own for the time before Stripe has one.
    pub(crate) enum State: wire::subscription::State {
        /// The checkout is under way.
        Pending = "PENDING",
        /// The checkout ended without a subscription.
        Abandoned = "ABANDONED",
        /// The first payment has not succeeded yet.
        Incomplete = "INCOMPLETE",
        /// The first payment did not succeed in time.
        IncompleteExpired = "INCOMPLETE_EXPIRED",
        /// In a free trial.
        Trialing = "TRIALING",
        /// Paid.
        Active = "ACTIVE",
        /// A payment failed, and Stripe tries again.
        PastDue = "PAST_DUE",
        /// A payment failed, and Stripe no longer tries.
        Unpaid = "UNPAID",
        /// Paused, because a trial ended without a means of payment.
        Paused = "PAUSED",
        /// Ended. It cannot be resumed.
        Canceled = "CANCELED",
    }
}

impl State {
    /// The state for Stripe's `status`: <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>.
    pub(crate) fn of_stripe(word: &str) -> Option<Self> {
        let ours = |state: &Self| matches!(state, Self::Pending | Self::Abandoned);
        Self::ALL.into_iter().filter(|state| !ours(state)).find(|state| state.as_str().to_lowercase() == word)
    }

    /// Whether it entitles to the contents of the package. A payment that failed a moment ago does not end the entitlement.
    pub(crate) const fn entitles(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue)
    }

    /// Whether the subscription exists at Stripe and has not ended. A customer has at most one of these.
    pub(crate) const fn is_live(self) -> bool {
        self.entitles() || matches!(self, Self::Unpaid | Self::Paused | Self::Incomplete)
    }

    /// Whether the subscription has begun. Stripe ends one that never began as `INCOMPLETE_EXPIRED`.
    pub(crate) const fn has_begun(self) -> bool {
        self.entitles() || matches!(self, Self::Unpaid | Self::Paused | Self::Canceled)
    }
}

/// A customer's subscription.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    /// The user who may see it. `None` until the first access with its mail address.
    pub(crate) owner_sub: Option<String>,
    pub(crate) customer_email: Email,
    pub(crate) customer_name: String,
    pub(crate) stripe_customer_id: Option<StripeId>,
    pub(crate) stripe_subscription_id: Option<StripeId>,
    pub(crate) stripe_checkout_session_id: Option<StripeId>,
    pub(crate) state: State,
    pub(crate) package: Package,
    /// The package that the checkout sold. A change of the subscription does not change this.
    pub(crate) bought: Package,
    /// Whether the customer asked for a start within the 14 days of withdrawal. `None`: the customer was not asked.
    pub(crate) start_at_once: Option<bool>,
    /// The version of the terms that the customer accepted. Empty if the checkout was not ours.
    pub(crate) terms_version: String,
    pub(crate) start_time: Option<DateTime<Utc>>,
    pub(crate) trial_end_time: Option<DateTime<Utc>>,
    pub(crate) period_start_time: Option<DateTime<Utc>>,
    pub(crate) period_end_time: Option<DateTime<Utc>>,
    pub(crate) cancel_time: Option<DateTime<Utc>>,
    pub(crate) end_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// The number of changes. Code that fetched Stripe's state writes it only if this number has not changed meanwhile.
    pub(crate) version: i64,
}

/// A step that a customer may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Change plan, term or add-ons.
    Change,
    /// Let it end with the period.
    Cancel,
    /// Renew it after all.
    Resume,
}

/// Why a customer must not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotInThisState {
    /// It has not begun.
    #[error("the subscription has not begun yet")]
    NotBegun,
    /// It has ended.
    #[error("the subscription has ended")]
    Ended,
    /// An invoice is open.
    #[error("the subscription can be changed once its open invoice is paid")]
    Unpaid,
    /// It ends already.
    #[error("the subscription is already set to end with its period")]
    EndsAlready,
    /// It does not end.
    #[error("the subscription is already set to renew")]
    IsRenewed,
}

/// The changes by a mirrored state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mirrored {
    /// Something is different.
    pub(crate) changed: bool,
    /// It has begun: once in a subscription's life.
    pub(crate) began: bool,
    /// It has ended: once in a subscription's life.
    pub(crate) ended: bool,
}

impl Subscription {
    /// Whether the customer may do this now.
    pub(crate) fn may(&self, action: Action) -> Result<(), NotInThisState> {
        match self.state {
            State::Pending | State::Incomplete => return Err(NotInThisState::NotBegun),
            State::Abandoned | State::IncompleteExpired | State::Canceled => {
                return Err(NotInThisState::Ended);
            }
            State::PastDue | State::Unpaid | State::Paused if action == Action::Change => {
                return Err(NotInThisState::Unpaid);
            }
            State::Trialing | State::Active | State::PastDue | State::Unpaid | State::Paused => {}
        }
        match (action, self.cancel_time) {
            (Action::Resume, None) => Err(NotInThisState::IsRenewed),
            // A subscription that is about to end cannot be changed: it would be unclear whether the customer wants it to end.
            (Action::Cancel | Action::Change, Some(_)) => Err(NotInThisState::EndsAlready),
            (Action::Cancel | Action::Change, None) | (Action::Resume, Some(_)) => Ok(()),
        }
    }

    /// A subscription that our checkout is about to sell.
    pub(crate) fn pending(owner_sub: String, email: Email, package: Package, now: DateTime<Utc>) -> Self {
        Self {
            id: SubscriptionId::new_at(now),
            owner_sub: Some(owner_sub),
            customer_email: email,
            customer_name: String::new(),
            stripe_customer_id: None,
            stripe_subscription_id: None,
            stripe_checkout_session_id: None,
            state: State::Pending,
            bought: package.clone(),
            package,
            start_at_once: None,
            terms_version: String::new(),
            start_time: None,
            trial_end_time: None,
            period_start_time: None,
            period_end_time: None,
            cancel_time: None,
            end_time: None,
            create_time: now,
            update_time: now,
            version: 0,
        }
    }

    /// A subscription that was bought without our checkout. `None` if Stripe does not name the buyer.
    pub(crate) fn found(
        at_stripe: &StripeSubscription,
        package: Package,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let email = at_stripe.customer_email.clone()?;
        let bought = at_stripe.bought.clone().unwrap_or(package);
        let pending = Self::pending(String::new(), email, bought, now);
        Some(Self { owner_sub: None, ..pending })
    }

    /// Applies Stripe's state. `package` is `None` if Stripe's items have none of our prices: then the package does not change.
    pub(crate) fn mirror(
        &mut self,
        at_stripe: &StripeSubscription,
        package: Option<Package>,
        now: DateTime<Utc>,
    ) -> Mirrored {
        // A subscription that has ended never changes. A row never changes to another subscription at Stripe.
        let other = self.stripe_subscription_id.as_ref().is_some_and(|id| *id != at_stripe.id);
        if self.state == State::Canceled || other {
            return Mirrored::default();
        }
        let before = self.clone();
        self.stripe_subscription_id = Some(at_stripe.id.clone());
        self.stripe_customer_id = at_stripe.customer_id.clone().or(self.stripe_customer_id.take());
        if self.customer_name.is_empty() {
            self.customer_name.clone_from(&at_stripe.customer_name);
        }
        self.state = at_stripe.state;
        self.package = package.unwrap_or_else(|| self.package.clone());
        self.start_time = at_stripe.start_time.filter(|_| self.state.has_begun());
        self.trial_end_time = at_stripe.trial_end_time;
        self.period_start_time = at_stripe.period_start_time;
        self.period_end_time = at_stripe.period_end_time;
        self.cancel_time = at_stripe.cancel_time;
        self.end_time = at_stripe.end_time;
        let changed = before.seen() != self.seen();
        if changed {
            self.update_time = now;
            self.version += 1;
        }
        Mirrored {
            changed,
            began: self.state.has_begun() && !before.state.has_begun(),
            ended: self.state == State::Canceled,
        }
    }

    /// Stores that the checkout ended without a subscription. Returns whether this changed the state.
    pub(crate) fn abandon(&mut self, now: DateTime<Utc>) -> bool {
        let is_news = self.state == State::Pending && self.stripe_subscription_id.is_none();
        if is_news {
            self.state = State::Abandoned;
            self.update_time = now;
            self.version += 1;
        }
        is_news
    }

    fn seen(&self) -> impl PartialEq {
        (
            (
                self.stripe_subscription_id.clone(),
                self.stripe_customer_id.clone(),
                self.customer_name.clone(),
            ),
            (self.state, self.package.clone(), self.start_time, self.end_time, self.cancel_time),
            (self.trial_end_time, self.period_start_time, self.period_end_time),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::{Plan, Term};

    fn in_state(state: State, ends: bool) -> Subscription {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        let package = Package::new(Plan::Growth, Term::Monthly, Vec::new());
        let email = "ada@example.com".parse().expect("an address");
        let pending = Subscription::pending("ada".to_owned(), email, package, now);
        Subscription { state, cancel_time: ends.then_some(now), ..pending }
    }

    #[test]
    fn every_pair_of_state_and_action_is_allowed_or_refused_with_a_reason() {
        use Action::{Cancel, Change, Resume};
        use NotInThisState::{Ended, EndsAlready, IsRenewed, NotBegun, Unpaid};
        for state in State::ALL {
            // The results of change, cancel and resume: first for a subscription that is renewed, then for one that ends.
            let (renewed, ending) = match state {
                State::Pending | State::Incomplete => ([Err(NotBegun); 3], [Err(NotBegun); 3]),
                State::Abandoned | State::IncompleteExpired | State::Canceled => {
                    ([Err(Ended); 3], [Err(Ended); 3])
                }
                State::Trialing | State::Active => {
                    ([Ok(()), Ok(()), Err(IsRenewed)], [Err(EndsAlready), Err(EndsAlready), Ok(())])
                }
                State::PastDue | State::Unpaid | State::Paused => {
                    ([Err(Unpaid), Ok(()), Err(IsRenewed)], [Err(Unpaid), Err(EndsAlready), Ok(())])
                }
            };
            for (ends, expected) in [(false, renewed), (true, ending)] {
                let subscription = in_state(state, ends);
                let found = [Change, Cancel, Resume].map(|action| subscription.may(action));
                assert_eq!(found, expected, "{state:?}, ends: {ends}");
            }
        }
    }

    #[test]
    fn only_a_checkout_that_is_under_way_is_abandoned() {
        for state in State::ALL {
            let mut subscription = in_state(state, false);
            let (before, now) = (subscription.version, subscription.update_time);
            let is_pending = state == State::Pending;
            assert_eq!(subscription.abandon(now), is_pending, "{state:?}");
            assert_eq!(subscription.state, if is_pending { State::Abandoned } else { state });
            assert_eq!(subscription.version, before + i64::from(is_pending), "{state:?}");
        }
    }

    #[test]
    fn stripes_words_are_states_and_ours_are_no_words_of_stripes() {
        for (word, state) in [
            ("incomplete", State::Incomplete),
            ("incomplete_expired", State::IncompleteExpired),
            ("trialing", State::Trialing),
            ("active", State::Active),
            ("past_due", State::PastDue),
            ("unpaid", State::Unpaid),
            ("paused", State::Paused),
            ("canceled", State::Canceled),
        ] {
            assert_eq!(State::of_stripe(word), Some(state));
        }
        assert_eq!(State::of_stripe("pending"), None);
        let entitling: Vec<_> = State::ALL.into_iter().filter(|state| state.entitles()).collect();
        assert_eq!(entitling, [State::Trialing, State::Active, State::PastDue]);
    }

    #[test]
    fn no_messages_follow_the_end() {
        let mut ended = in_state(State::Canceled, false);
        let late = StripeSubscription::read(&serde_json::json!({"id": "sub_1", "status": "active"}));
        let now = ended.update_time;
        assert_eq!(ended.mirror(&late.expect("read"), None, now), Mirrored::default());
        assert_eq!(ended.state, State::Canceled);
    }
}
