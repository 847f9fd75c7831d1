//! `GetPriceList`: everybody sees the packages for sale, at the catalogue's prices.

use levqor_proto_billing::v1::{GetPriceListRequest, PlanOffer, TierOffer, order::Tier, subscription::Plan};
use levqor_runtime::testing::Caller;

use crate::support::{Shop, TERMS};

#[tokio::test]
async fn everybody_sees_every_price_and_its_contents() {
    let shop = Shop::open().await;
    let request = Caller::anonymous().request(GetPriceListRequest {});
    let prices = shop.checkout().get_price_list(request).await.expect("prices").into_inner();
    let amount =
        |money: &Option<levqor_proto_base::r#type::v1::Money>| money.as_ref().expect("a price").minor_units;
    let plans: Vec<_> =
        prices.plans.iter().map(|p| (p.plan(), amount(&p.monthly), amount(&p.yearly))).collect();
    assert_eq!(
        plans,
        [
            (Plan::Starter, 1900, 19_000),
            (Plan::Growth, 7900, 79_000),
            (Plan::Pro, 4900, 49_000),
            (Plan::Business, 14_900, 149_000)
        ]
    );
    let limits = |plan: &PlanOffer| {
        let limits = plan.limits.as_ref().expect("limits");
        let (api_calls, triggers) = (limits.api_calls_per_day, limits.triggers_per_month);
        (limits.workflows_per_month, limits.runs_per_day, api_calls, triggers)
    };
    assert_eq!(
        prices.plans.iter().map(limits).collect::<Vec<_>>(),
        [
            (Some(1), None, 1_000, 1_000),
            (Some(3), None, 10_000, 10_000),
            (Some(5), None, 50_000, 50_000),
            (None, Some(200), 200_000, 6_000)
        ]
    );
    assert_eq!(
        prices.plans.iter().map(|plan| (plan.monitoring.as_str(), plan.support.as_str())).collect::<Vec<_>>(),
        [
            ("Basic monitoring", "By e-mail"),
            ("Advanced monitoring with alerts", "By e-mail, with priority"),
            ("Professional dashboard", "By e-mail, with priority"),
            ("Full monitoring", "A dedicated manager")
        ]
    );
    let add_ons: Vec<_> = prices.add_ons.iter().map(|add_on| amount(&add_on.monthly)).collect();
    assert_eq!(add_ons, [9900, 19_900, 29_900]);
    let tiers: Vec<_> =
        prices.tiers.iter().map(|tier| (tier.tier(), amount(&tier.price), tier.revisions)).collect();
    assert_eq!(
        tiers,
        [(Tier::Starter, 9900, 1), (Tier::Professional, 24_900, 2), (Tier::Enterprise, 59_900, 3)]
    );
    let included = |tier: &TierOffer| {
        (tier.workflows, tier.tools, tier.delivery_time.clone(), tier.monitoring.clone(), tier.support_days)
    };
    let included: Vec<_> = prices.tiers.iter().map(included).collect();
    let expected = [
        (1, Some(3), "48 hours", "Basic monitoring", 7),
        (3, Some(6), "4 days", "Self-healing, with a dashboard", 30),
        (7, None, "7 days", "Full dashboard, with fallbacks", 30),
    ];
    let expected = expected.map(|(workflows, tools, delivery, monitoring, days)| {
        (workflows, tools, delivery.to_owned(), monitoring.to_owned(), days)
    });
    assert_eq!(included, expected);
    assert_eq!(prices.terms_version, TERMS);
}
