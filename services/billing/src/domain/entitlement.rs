//! The entitlements of a customer: the contents of the subscription's package. While a payment is disputed, and after a dispute
//! was lost, the entitlements are held: the customer is entitled to nothing.

use super::{
    plan::{Feature, Limit},
    subscription::Subscription,
};

/// The customer's subscription that entitles, and whether its entitlements are held.
pub(crate) struct Entitled {
    /// `None`: no subscription entitles.
    pub(crate) subscription: Option<Subscription>,
    /// Whether the customer disputes a payment at the bank, or a dispute was decided against us.
    pub(crate) held: bool,
}

/// Why a customer is not entitled to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No subscription entitles.
    NoSubscription,
    /// The package does not include it.
    NotIncluded,
    /// A payment is disputed.
    Disputed,
}

impl Entitled {
    /// The best of those of a customer's subscriptions that entitle.
    pub(crate) fn best(subscriptions: Vec<Subscription>) -> Option<Subscription> {
        let entitling = subscriptions.into_iter().filter(|subscription| subscription.state.entitles());
        entitling.max_by_key(|subscription| (subscription.package.plan, subscription.create_time))
    }

    /// Whether the customer is entitled to a thing, and how much of it.
    pub(crate) fn to(&self, feature: Feature) -> Result<Limit, Refusal> {
        let subscription = self.subscription.as_ref().ok_or(Refusal::NoSubscription)?;
        if self.held {
            return Err(Refusal::Disputed);
        }
        subscription.package.allows(feature).ok_or(Refusal::NotIncluded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        plan::{Package, Plan, Term},
        subscription::State,
    };
    use chrono::DateTime;

    fn of(plan: Plan, state: State) -> Subscription {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        let package = Package::new(plan, Term::Monthly, Vec::new());
        let email = "ada@example.com".parse().expect("an address");
        Subscription { state, ..Subscription::pending("ada".to_owned(), email, package, now) }
    }

    #[test]
    fn only_trialing_active_and_past_due_subscriptions_entitle_and_a_dispute_pauses_it() {
        for state in State::ALL {
            let subscription = Entitled::best(vec![of(Plan::Growth, state)]);
            let entitled = Entitled { subscription, held: false };
            let expected = match state {
                State::Trialing | State::Active | State::PastDue => Ok(Limit::Of(3)),
                _ => Err(Refusal::NoSubscription),
            };
            assert_eq!(entitled.to(Feature::Workflows), expected, "{state:?}");
        }
        let subscription =
            Entitled::best(vec![of(Plan::Pro, State::Canceled), of(Plan::Starter, State::Active)]);
        let held = Entitled { subscription, held: true };
        assert_eq!(held.to(Feature::ApiCalls), Err(Refusal::Disputed));
        let free = Entitled { held: false, ..held };
        assert_eq!(free.to(Feature::ApiCalls), Ok(Limit::Of(1000)));
        assert_eq!(free.to(Feature::WhiteLabel), Err(Refusal::NotIncluded));
    }
}
