//! Gets the price list, for everybody: the catalogue, with what each thing includes.

use levqor_proto_billing::v1::{
    self as wire, AddOnOffer, GetPriceListRequest, GetPriceListResponse, PlanOffer, TierOffer,
};
use levqor_runtime::context::Ctx;

use crate::{
    Billing,
    domain::{
        catalogue::CataloguePrice,
        money::Money,
        order::Tier,
        plan::{AddOn, Limits, Plan, Term},
    },
    error::Error,
};

pub(super) async fn get_price_list(
    billing: &Billing,
    _: Ctx,
    _: GetPriceListRequest,
) -> Result<GetPriceListResponse, Error> {
    let terms_version = billing.shop.terms_version.as_ref();
    Ok(GetPriceListResponse {
        plans: Plan::ALL.map(PlanOffer::from).into(),
        add_ons: AddOn::ALL.map(AddOnOffer::from).into(),
        tiers: Tier::ALL.map(TierOffer::from).into(),
        terms_version: terms_version.map(|version| version.as_str().to_owned()).unwrap_or_default(),
    })
}

fn money(price: Option<CataloguePrice>) -> Option<levqor_proto_base::r#type::v1::Money> {
    price.map(|price| Money::pence(price.amount).into())
}

impl From<Plan> for PlanOffer {
    fn from(plan: Plan) -> Self {
        Self {
            plan: plan.into(),
            name: plan.title().to_owned(),
            monthly: money(plan.price(Term::Monthly)),
            yearly: money(plan.price(Term::Yearly)),
            limits: Some(plan.limits().into()),
            monitoring: plan.monitoring().to_owned(),
            support: plan.support().to_owned(),
        }
    }
}

impl From<Limits> for wire::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            workflows_per_month: limits.workflows_per_month,
            runs_per_day: limits.runs_per_day,
            api_calls_per_day: limits.api_calls_per_day,
            triggers_per_month: limits.triggers_per_month,
        }
    }
}

impl From<AddOn> for AddOnOffer {
    fn from(add_on: AddOn) -> Self {
        Self { add_on: add_on.into(), name: add_on.title().to_owned(), monthly: money(add_on.price()) }
    }
}

impl From<Tier> for TierOffer {
    /// The contents of a tier: the price list of the website.
    fn from(tier: Tier) -> Self {
        let (workflows, tools, monitoring, support_days) = match tier {
            Tier::Starter => (1, Some(3), "Basic monitoring", 7),
            Tier::Professional => (3, Some(6), "Self-healing, with a dashboard", 30),
            Tier::Enterprise => (7, None, "Full dashboard, with fallbacks", 30),
        };
        Self {
            tier: tier.into(),
            name: tier.title().to_owned(),
            price: money(Some(tier.price())),
            workflows,
            tools,
            delivery_time: tier.delivery_time_in_words().to_owned(),
            revisions: tier.revisions(),
            monitoring: monitoring.to_owned(),
            support_days,
        }
    }
}
