//! Plans, terms and add-ons of subscriptions, with their prices of the catalogue and their contents.

use std::fmt;

use levqor_proto_billing::v1::{entitlement, subscription};
use levqor_runtime::{error::Violations, wire_enum};

use super::{
    catalogue::{CataloguePrice, Interval, PRICES},
    money::Money,
};

wire_enum! {
    /// A plan.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Plan: subscription::Plan {
        /// The smallest plan.
        Starter = "STARTER",
        /// The plan for small teams.
        Growth = "GROWTH",
        /// The plan for professionals.
        Pro = "PRO",
        /// The largest plan.
        Business = "BUSINESS",
    }
}

wire_enum! {
    /// How often a subscription is paid.
    pub(crate) enum Term: subscription::Term {
        /// Every month.
        Monthly = "MONTHLY",
        /// Every year.
        Yearly = "YEARLY",
    }
}

wire_enum! {
    /// What can be added to a plan.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum AddOn: subscription::AddOn {
        /// Priority support.
        PrioritySupport = "PRIORITY_SUPPORT",
        /// An availability of 99.9 %.
        Sla999 = "SLA_99_9",
        /// The customer's own brand.
        WhiteLabel = "WHITE_LABEL",
    }
}

wire_enum! {
    /// A thing that a subscription can entitle to.
    pub(crate) enum Feature: entitlement::Feature {
        /// Building workflows.
        Workflows = "WORKFLOWS",
        /// Running workflows.
        Runs = "RUNS",
        /// Calling the API.
        ApiCalls = "API_CALLS",
        /// Priority support.
        PrioritySupport = "PRIORITY_SUPPORT",
        /// An availability of 99.9 %.
        Sla999 = "SLA_99_9",
        /// The customer's own brand.
        WhiteLabel = "WHITE_LABEL",
    }
}

/// The contents of a plan, as in the price list of the website.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Workflows that may be built in a month. `None`: no limit.
    pub(crate) workflows_per_month: Option<i32>,
    /// Workflow runs in a day, under fair use. `None`: no limit.
    pub(crate) runs_per_day: Option<i32>,
    /// API calls in a day, under fair use.
    pub(crate) api_calls_per_day: i32,
    /// An approximate number of workflow triggers in a month, under fair use.
    pub(crate) triggers_per_month: i32,
}

/// How much of a thing a customer is entitled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// No limit, or a feature that is not counted.
    None,
    /// At most this many.
    Of(i64),
}

impl Limit {
    /// The number, if there is a limit.
    pub(crate) const fn number(self) -> Option<i64> {
        match self {
            Self::None => None,
            Self::Of(number) => Some(number),
        }
    }
}

impl Plan {
    /// The plan of a name in the metadata of a checkout session, which is lower case.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.label() == label)
    }

    /// Its name in the metadata of a checkout session.
    pub(crate) fn label(self) -> String {
        self.as_str().to_lowercase()
    }

    /// The name that customers read. The catalogue's products have it too.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Starter => "Starter",
            Self::Growth => "Growth",
            Self::Pro => "Pro",
            Self::Business => "Business",
        }
    }

    /// The services that it includes.
    pub(crate) const fn limits(self) -> Limits {
        let (workflows_per_month, runs_per_day, api_calls_per_day, triggers_per_month) = match self {
            Self::Starter => (Some(1), None, 1_000, 1_000),
            Self::Growth => (Some(3), None, 10_000, 10_000),
            Self::Pro => (Some(5), None, 50_000, 50_000),
            Self::Business => (None, Some(200), 200_000, 6_000),
        };
        Limits { workflows_per_month, runs_per_day, api_calls_per_day, triggers_per_month }
    }

    /// The monitoring that it includes.
    pub(crate) const fn monitoring(self) -> &'static str {
        match self {
            Self::Starter => "Basic monitoring",
            Self::Growth => "Advanced monitoring with alerts",
            Self::Pro => "Professional dashboard",
            Self::Business => "Full monitoring",
        }
    }

    /// The support that it includes. It names no time: support's own rules alone decide how soon a person replies.
    pub(crate) const fn support(self) -> &'static str {
        match self {
            Self::Starter => "By e-mail",
            Self::Growth | Self::Pro => "By e-mail, with priority",
            Self::Business => "A dedicated manager",
        }
    }

    /// The price for a term.
    pub(crate) fn price(self, term: Term) -> Option<CataloguePrice> {
        let interval = term.interval();
        PRICES.iter().copied().find(|price| price.product == self.title() && price.interval == interval)
    }
}

impl Term {
    /// The term of a name in the metadata of a checkout session, which is lower case.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|term| term.label() == label)
    }

    /// Its name in the metadata of a checkout session.
    pub(crate) fn label(self) -> String {
        self.as_str().to_lowercase()
    }

    /// The interval of its prices.
    pub(crate) const fn interval(self) -> Interval {
        match self {
            Self::Monthly => Interval::Month,
            Self::Yearly => Interval::Year,
        }
    }
}

impl AddOn {
    /// The name that customers read.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::PrioritySupport => "Priority support",
            Self::Sla999 => "SLA 99.9 %",
            Self::WhiteLabel => "White label",
        }
    }

    /// Its price, which is paid monthly.
    pub(crate) fn price(self) -> Option<CataloguePrice> {
        let setting = match self {
            Self::PrioritySupport => "STRIPE_PRICE_ADDON_PRIORITY_SUPPORT",
            Self::Sla999 => "STRIPE_PRICE_ADDON_SLA_99_9",
            Self::WhiteLabel => "STRIPE_PRICE_ADDON_WHITE_LABEL",
        };
        PRICES.iter().copied().find(|price| price.setting == setting)
    }
}

/// The item that a catalogue price sells to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sold {
    /// A plan for a term.
    Plan(Plan, Term),
    /// An add-on.
    AddOn(AddOn),
}

impl Sold {
    /// What this price sells. `None` if it is not a price of subscriptions.
    pub(crate) fn of(price: &CataloguePrice) -> Option<Self> {
        let plans = Plan::ALL.into_iter().flat_map(|plan| Term::ALL.map(|term| (plan, term)));
        let mut plans = plans.filter(|(plan, term)| plan.price(*term).as_ref() == Some(price));
        let mut add_ons = AddOn::ALL.into_iter().filter(|add_on| add_on.price().as_ref() == Some(price));
        let plan = plans.next().map(|(plan, term)| Self::Plan(plan, term));
        plan.or_else(|| add_ons.next().map(Self::AddOn))
    }
}

/// A plan for a term, with add-ons: what one subscription is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) plan: Plan,
    pub(crate) term: Term,
    /// Sorted, each once.
    pub(crate) add_ons: Vec<AddOn>,
}

impl Package {
    /// Reads the package of a request. Adds a violation for each field that is wrong, by its path.
    pub(crate) fn read(
        violations: &mut Violations,
        path: &str,
        plan: i32,
        term: i32,
        add_ons: &[i32],
    ) -> Option<Self> {
        let plan = violations.field_enum(&format!("{path}plan"), plan);
        let term: Option<Term> = violations.field_enum(&format!("{path}term"), term);
        let numbered = add_ons.iter().enumerate();
        let add_ons: Option<Vec<AddOn>> = numbered
            .map(|(n, add_on)| violations.field_enum(&format!("{path}add_ons[{n}]"), *add_on))
            .collect();
        let package = Self::new(plan?, term?, add_ons?);
        if package.term == Term::Yearly && !package.add_ons.is_empty() {
            let path = format!("{path}add_ons");
            violations.add(&path, "expected none: add-ons are paid monthly, and this term is yearly");
            return None;
        }
        Some(package)
    }

    /// The package of these parts.
    pub(crate) fn new(plan: Plan, term: Term, mut add_ons: Vec<AddOn>) -> Self {
        add_ons.sort_unstable();
        add_ons.dedup();
        Self { plan, term, add_ons }
    }

    /// Its prices: the plan's first.
    pub(crate) fn prices(&self) -> Vec<CataloguePrice> {
        let add_ons = self.add_ons.iter().map(|add_on| add_on.price());
        [self.plan.price(self.term)].into_iter().chain(add_ons).flatten().collect()
    }

    /// The price of a period, before discounts and tax.
    pub(crate) fn price(&self) -> Money {
        Money::pence(self.prices().iter().map(|price| price.amount).sum())
    }

    /// What twelve months cost: two packages of different terms are compared by it.
    pub(crate) fn price_of_a_year(&self) -> i64 {
        let periods = if self.term == Term::Monthly { 12 } else { 1 };
        self.price().minor_units * periods
    }

    /// Whether a customer of the package is entitled to a thing, and how much of it. `None`: not included.
    pub(crate) fn allows(&self, feature: Feature) -> Option<Limit> {
        let limits = self.plan.limits();
        let of = |limit: Option<i32>| Some(limit.map_or(Limit::None, |limit| Limit::Of(limit.into())));
        let has = |add_on| self.add_ons.contains(&add_on).then_some(Limit::None);
        match feature {
            Feature::Workflows => of(limits.workflows_per_month),
            Feature::Runs => of(limits.runs_per_day),
            Feature::ApiCalls => of(Some(limits.api_calls_per_day)),
            Feature::PrioritySupport => has(AddOn::PrioritySupport),
            Feature::Sla999 => has(AddOn::Sla999),
            Feature::WhiteLabel => has(AddOn::WhiteLabel),
        }
    }
}

impl fmt::Display for Package {
    /// The name that customers read.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.plan.title())?;
        self.add_ons.iter().try_for_each(|add_on| write!(formatter, " + {}", add_on.title()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_list_promises_no_reply_time_beside_those_of_support() {
        for plan in Plan::ALL {
            let support = plan.support();
            let is_time = support.contains(|c: char| c.is_ascii_digit()) || support.contains("hour");
            assert!(!is_time, "{support}: the reply times stand in services/support/src/domain/plan.rs");
        }
    }

    #[test]
    fn every_price_of_the_catalogue_is_sold_as_one_thing() {
        let sold: Vec<_> = PRICES.iter().filter_map(Sold::of).collect();
        assert_eq!(sold.len(), 11, "all but the three tiers");
        for plan in Plan::ALL {
            assert_eq!(Plan::of_label(&plan.label()), Some(plan));
            for term in Term::ALL {
                assert!(sold.contains(&Sold::Plan(plan, term)));
            }
        }
        assert!(AddOn::ALL.into_iter().all(|add_on| sold.contains(&Sold::AddOn(add_on))));
    }

    #[test]
    fn add_ons_are_refused_beside_a_yearly_plan_and_every_wrong_field_is_named() {
        let read = |plan, term, add_ons: &[i32]| {
            let mut violations = Violations::new();
            let package = Package::read(&mut violations, "subscription.", plan, term, add_ons);
            let read = violations.finish(package);
            read.map_err(|wrong| wrong.0.into_iter().map(|wrong| wrong.field).collect::<Vec<_>>())
        };
        let package = read(2, 1, &[3, 1, 3]).expect("a package");
        assert_eq!(package.add_ons, [AddOn::PrioritySupport, AddOn::WhiteLabel]);
        assert_eq!(package.price().minor_units, 7900 + 9900 + 29_900);
        assert_eq!(read(2, 2, &[1]), Err(vec!["subscription.add_ons".to_owned()]));
        let all = ["plan", "term", "add_ons[0]"].map(|field| format!("subscription.{field}"));
        assert_eq!(read(9, 0, &[7]), Err(all.to_vec()));
    }

    #[test]
    fn the_contents_of_a_plan_are_those_of_the_price_list() {
        let pro = Package::new(Plan::Pro, Term::Monthly, vec![AddOn::Sla999]);
        assert_eq!(pro.allows(Feature::Workflows), Some(Limit::Of(5)));
        assert_eq!(pro.allows(Feature::Runs), Some(Limit::None));
        assert_eq!(pro.allows(Feature::Sla999), Some(Limit::None));
        assert_eq!(pro.allows(Feature::WhiteLabel), None);
        let business = Package::new(Plan::Business, Term::Yearly, Vec::new());
        assert_eq!(business.allows(Feature::Workflows), Some(Limit::None));
        assert_eq!(business.allows(Feature::Runs), Some(Limit::Of(200)));
        assert_eq!(business.price_of_a_year(), 149_000);
    }
}
