//! The plan of a customer, as far as support depends on it: how soon a person replies.

use chrono::TimeDelta;
use levqor_proto_billing::v1 as billing;
use levqor_proto_support::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// A plan.
    pub(crate) enum Plan: wire::ticket::Plan {
        /// Starter, and customers without a plan.
        Starter = "STARTER",
        /// Growth.
        Growth = "GROWTH",
        /// Pro.
        Pro = "PRO",
        /// Business.
        Business = "BUSINESS",
    }
}

impl Plan {
    /// The business hours until the first reply of a person. They are written only here: articles have placeholders, and billing's price
    /// list names no times.
    pub(crate) const fn first_reply_hours(self) -> i64 {
        match self {
            Self::Starter => 18,
            Self::Growth => 9,
            Self::Pro => 6,
            Self::Business => 4,
        }
    }

    /// The same, as business time.
    pub(crate) const fn first_reply(self) -> TimeDelta {
        TimeDelta::hours(self.first_reply_hours())
    }

    /// The name that operators read.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Starter => "Starter",
            Self::Growth => "Growth",
            Self::Pro => "Pro",
            Self::Business => "Business",
        }
    }
}

impl From<billing::subscription::Plan> for Plan {
    /// A person without a plan is treated as a Starter customer.
    fn from(plan: billing::subscription::Plan) -> Self {
        match plan {
            billing::subscription::Plan::Unspecified | billing::subscription::Plan::Starter => Self::Starter,
            billing::subscription::Plan::Growth => Self::Growth,
            billing::subscription::Plan::Pro => Self::Pro,
            billing::subscription::Plan::Business => Self::Business,
        }
    }
}
