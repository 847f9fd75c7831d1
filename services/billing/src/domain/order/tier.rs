//! The size of an order, and the services that it includes.

use chrono::TimeDelta;
use levqor_proto_billing::v1 as wire;
use levqor_runtime::wire_enum;

use crate::domain::catalogue;

wire_enum! {
    /// The size of an order, which decides its contents.
    pub(crate) enum Tier: wire::order::Tier {
        /// The smallest tier.
        Starter = "STARTER",
        /// The middle tier.
        Professional = "PROFESSIONAL",
        /// The largest tier.
        Enterprise = "ENTERPRISE",
    }
}

impl Tier {
    /// The tier of a plan's name in a checkout session, which is lower case.
    pub(crate) fn of_plan(plan: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.title().to_lowercase() == plan)
    }

    /// The price of the catalogue.
    pub(crate) const fn price(self) -> catalogue::CataloguePrice {
        match self {
            Self::Starter => catalogue::DFY_STARTER,
            Self::Professional => catalogue::DFY_PROFESSIONAL,
            Self::Enterprise => catalogue::DFY_ENTERPRISE,
        }
    }

    /// The price in pence, before discounts and tax.
    pub(crate) const fn list_price(self) -> i64 {
        self.price().amount
    }

    /// The name that customers read.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Starter => "Starter",
            Self::Professional => "Professional",
            Self::Enterprise => "Enterprise",
        }
    }

    /// The delivery time, counted from the intake form.
    pub(crate) const fn delivery_time(self) -> TimeDelta {
        match self {
            Self::Starter => TimeDelta::hours(48),
            Self::Professional => TimeDelta::days(4),
            Self::Enterprise => TimeDelta::days(7),
        }
    }

    /// The delivery time as customers read it.
    pub(crate) const fn delivery_time_in_words(self) -> &'static str {
        match self {
            Self::Starter => "48 hours",
            Self::Professional => "4 days",
            Self::Enterprise => "7 days",
        }
    }

    /// The number of revisions that are included.
    pub(crate) const fn revisions(self) -> i32 {
        match self {
            Self::Starter => 1,
            Self::Professional => 2,
            Self::Enterprise => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_is_delivered_in_its_time() {
        assert_eq!(Tier::ALL.map(|tier| tier.delivery_time().num_hours()), [48, 4 * 24, 7 * 24]);
    }

    #[test]
    fn a_plan_is_the_name_of_a_tier_in_lower_case() {
        for tier in Tier::ALL {
            assert_eq!(Tier::of_plan(&tier.as_str().to_lowercase()), Some(tier));
        }
    }
}
