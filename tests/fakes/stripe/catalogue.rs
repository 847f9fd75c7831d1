//! The account, and the 14 prices that Levqor sells at.

use serde_json::{Value, json};

use super::world::World;

/// The account's id.
pub(super) const ACCOUNT_ID: &str = "acct_1levqor";

/// Setting, product, pence, interval.
const PRICES: &[(&str, &str, i64, Option<&str>)] = &[
    ("STARTER", "Starter", 1900, Some("month")),
    ("STARTER_YEAR", "Starter", 19000, Some("year")),
    ("GROWTH", "Growth", 7900, Some("month")),
    ("GROWTH_YEAR", "Growth", 79000, Some("year")),
    ("PRO", "Pro", 4900, Some("month")),
    ("PRO_YEAR", "Pro", 49000, Some("year")),
    ("BUSINESS", "Business", 14900, Some("month")),
    ("BUSINESS_YEAR", "Business", 149_000, Some("year")),
    ("DFY_STARTER", "DFY Starter", 9900, None),
    ("DFY_PROFESSIONAL", "DFY Professional", 24900, None),
    ("DFY_ENTERPRISE", "DFY Enterprise", 59900, None),
    ("ADDON_PRIORITY_SUPPORT", "Priority Support add-on", 9900, Some("month")),
    ("ADDON_SLA_99_9", "SLA 99.9 % add-on", 19900, Some("month")),
    ("ADDON_WHITE_LABEL", "White-label add-on", 29900, Some("month")),
];

/// The settings that name the prices, and the prices' ids.
pub(crate) fn price_settings() -> Vec<(String, String)> {
    PRICES.iter().map(|(name, ..)| (format!("STRIPE_PRICE_{name}"), price_id(name))).collect()
}

/// The id of the price that a setting `STRIPE_PRICE_…` names.
pub(crate) fn price_id(name: &str) -> String {
    format!("price_{}", name.to_lowercase().replace('_', ""))
}

/// Puts the account and its prices there, long before anything else.
pub(super) fn stock(world: &mut World) {
    let created = world.now() - 400 * 86400;
    world.add(account(created));
    for &(name, product, amount, interval) in PRICES {
        let product_id =
            format!("prod_{}", product.to_lowercase().replace(|c: char| !c.is_alphanumeric(), ""));
        if world.find(&product_id).is_none() {
            world.add(json!({
                "id": product_id, "object": "product", "active": true, "created": created, "default_price": null,
                "description": null, "images": [], "livemode": false, "marketing_features": [], "metadata": {},
                "name": product, "package_dimensions": null, "shippable": null, "statement_descriptor": null,
                "tax_code": null, "type": "service", "unit_label": null, "updated": created, "url": null,
            }));
        }
        world.add(price(&price_id(name), &product_id, amount, interval, created));
    }
}

fn price(id: &str, product: &str, amount: i64, interval: Option<&str>, created: i64) -> Value {
    let recurring = interval.map(|interval| {
        json!({"interval": interval, "interval_count": 1, "meter": null, "trial_period_days": null, "usage_type": "licensed"})
    });
    json!({
        "id": id, "object": "price", "active": true, "billing_scheme": "per_unit", "created": created,
        "currency": "gbp", "custom_unit_amount": null, "livemode": false, "lookup_key": null, "metadata": {},
        "nickname": null, "product": product, "recurring": recurring, "tax_behavior": "unspecified",
        "tiers_mode": null, "transform_quantity": null,
        "type": if interval.is_some() { "recurring" } else { "one_time" },
        "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
    })
}

fn account(created: i64) -> Value {
    json!({
        "id": ACCOUNT_ID, "object": "account", "business_profile": {"name": "Levqor", "support_email": null, "url": null},
        "business_type": "company", "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true, "country": "GB", "created": created, "default_currency": "gbp",
        "details_submitted": true, "email": "owner@example.com", "metadata": {}, "payouts_enabled": true,
        "settings": {"dashboard": {"display_name": "Levqor", "timezone": "Europe/London"}}, "type": "standard",
    })
}
