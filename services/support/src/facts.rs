//! The values of placeholders in articles: billing's price list, our own rules, and the addresses of the settings.

use std::time::{Duration, Instant};

use levqor_proto_base::r#type::v1::Money;
use levqor_proto_billing::v1::{
    GetPriceListRequest, GetPriceListResponse, checkout_service_client::CheckoutServiceClient, order::Tier,
    subscription::AddOn, subscription::Plan as BillingPlan,
};
use levqor_runtime::chassis::{Chassis, Unanswered};
use tokio::sync::Mutex;

use crate::{
    config::Config,
    domain::{
        business_hours::{CLOSING_HOUR, OPENING_HOUR},
        facts::Facts,
        plan::Plan,
    },
};

/// How long to wait for billing.
const TIMEOUT: Duration = Duration::from_millis(800);
/// How long a price list is used before billing is asked again.
const MAX_AGE: Duration = Duration::from_mins(5);
/// How long to wait before billing is asked again after it did not answer.
const PAUSE: Duration = Duration::from_secs(10);
/// Where people complain about data protection.
const REGULATOR: &str = "https://ico.org.uk/make-a-complaint/";
/// Rules of other services and of our terms.
const RULES: &str = include_str!("../data/facts.toml");

/// The facts, with the last price list.
pub(crate) struct FactSheet {
    rules: Facts,
    last: Mutex<Last>,
}

/// The last price list, and when to ask again.
#[derive(Default)]
struct Last {
    prices: Facts,
    ask_again: Option<Instant>,
}

impl FactSheet {
    /// Reads the rules.
    pub(crate) fn try_new(config: &Config) -> Result<Self, toml::de::Error> {
        let rules: std::collections::BTreeMap<String, String> = toml::from_str(RULES)?;
        let mut facts: Facts = rules.into_iter().collect();
        for plan in Plan::ALL {
            let name = plan.title().to_lowercase();
            facts.set(format!("support.first_reply.{name}.hours"), plan.first_reply_hours().to_string());
        }
        facts.set("support.first_reply.none.hours", Plan::Starter.first_reply_hours().to_string());
        facts.set("support.opening", format!("{OPENING_HOUR}:00"));
        facts.set("support.closing", format!("{CLOSING_HOUR}:00"));
        facts.set("mail.support", config.support_email.as_str());
        facts.set("mail.privacy", config.privacy_email.as_str());
        facts.set("link.pricing", format!("{}/pricing", config.site));
        facts.set("link.billing", format!("{}/billing", config.site));
        facts.set("link.orders", format!("{}/dashboard/delivery", config.site));
        facts.set("link.status", format!("{}/status", config.site));
        facts.set("link.privacy", format!("{}/privacy", config.api));
        facts.set("link.regulator", REGULATOR);
        Ok(Self { rules: facts, last: Mutex::default() })
    }

    /// All facts that are known now. Without an answer of billing they have the prices of its last answer, or none.
    pub(crate) async fn now(&self, chassis: &Chassis, request_id: &str) -> Facts {
        let mut last = self.last.lock().await;
        let now = Instant::now();
        if last.ask_again.is_none_or(|time| time <= now) {
            match ask(chassis, request_id).await {
                Ok(prices) => *last = Last { prices: of_prices(&prices), ask_again: Some(now + MAX_AGE) },
                Err(why) => {
                    tracing::warn!(reason = why.reason(), "billing did not give its price list");
                    last.ask_again = Some(now + PAUSE);
                }
            }
        }
        let mut facts = self.rules.clone();
        facts.merge(&last.prices);
        facts
    }

    /// Whether a price list is known.
    pub(crate) fn has_prices(&self) -> bool {
        // No caller waits for this call to billing.
        self.last.try_lock().map_or(true, |last| last.prices != Facts::default())
    }
}

/// Asks billing for the price list.
async fn ask(chassis: &Chassis, request_id: &str) -> Result<GetPriceListResponse, Unanswered> {
    let request = GetPriceListRequest {};
    let answer = chassis.ask("billing", request_id, TIMEOUT, request, async |channel, request| {
        CheckoutServiceClient::new(channel).get_price_list(request).await
    });
    answer.await
}

/// The facts of a price list.
fn of_prices(list: &GetPriceListResponse) -> Facts {
    let mut facts = Facts::default();
    for offer in &list.plans {
        let name = match offer.plan() {
            BillingPlan::Unspecified => continue,
            BillingPlan::Starter => "starter",
            BillingPlan::Growth => "growth",
            BillingPlan::Pro => "pro",
            BillingPlan::Business => "business",
        };
        set_price(&mut facts, format!("price.plan.{name}.monthly"), offer.monthly.as_ref());
        set_price(&mut facts, format!("price.plan.{name}.yearly"), offer.yearly.as_ref());
        facts.set(format!("plan.{name}.monitoring"), &offer.monitoring);
        facts.set(format!("plan.{name}.support"), &offer.support);
        if let Some(limits) = &offer.limits {
            facts.set(
                format!("plan.{name}.workflows_per_month"),
                limit(limits.workflows_per_month, "unlimited"),
            );
            facts.set(format!("plan.{name}.runs_per_day"), limit(limits.runs_per_day, "unlimited"));
            facts.set(format!("plan.{name}.api_calls_per_day"), grouped(limits.api_calls_per_day.into()));
        }
    }
    for offer in &list.add_ons {
        let name = match offer.add_on() {
            AddOn::Unspecified => continue,
            AddOn::PrioritySupport => "priority_support",
            AddOn::Sla999 => "sla_99_9",
            AddOn::WhiteLabel => "white_label",
        };
        set_price(&mut facts, format!("price.addon.{name}"), offer.monthly.as_ref());
        facts.set(format!("addon.{name}.name"), &offer.name);
    }
    for offer in &list.tiers {
        let name = match offer.tier() {
            Tier::Unspecified => continue,
            Tier::Starter => "starter",
            Tier::Professional => "professional",
            Tier::Enterprise => "enterprise",
        };
        set_price(&mut facts, format!("price.tier.{name}"), offer.price.as_ref());
        facts.set(format!("tier.{name}.workflows"), offer.workflows.to_string());
        facts.set(format!("tier.{name}.tools"), limit(offer.tools, "no fixed number"));
        facts.set(format!("tier.{name}.delivery_time"), &offer.delivery_time);
        facts.set(format!("tier.{name}.revisions"), offer.revisions.to_string());
        facts.set(format!("tier.{name}.monitoring"), &offer.monitoring);
        facts.set(format!("tier.{name}.support_days"), offer.support_days.to_string());
    }
    facts
}

fn set_price(facts: &mut Facts, name: String, money: Option<&Money>) {
    // All our prices are in pounds; another currency would need another sign.
    if let Some(money) = money.filter(|money| money.currency_code == "GBP") {
        facts.set(name, pounds(money.minor_units));
    }
}

/// An amount in pence as customers read it: `£1,490`, `£19.50`.
fn pounds(pence: i64) -> String {
    let (whole, part) = (grouped(pence / 100), pence % 100);
    if part == 0 { format!("£{whole}") } else { format!("£{whole}.{part:02}") }
}

/// A number with commas between its thousands.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A limit as customers read it.
fn limit(limit: Option<i32>, none: &str) -> String {
    limit.map_or_else(|| none.to_owned(), |limit| grouped(limit.into()))
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Reader};

    use super::*;

    #[test]
    fn amounts_and_limits_are_written_as_customers_read_them() {
        for (pence, shown) in
            [(1_900, "£19"), (149_000, "£1,490"), (1_950, "£19.50"), (123_456_789, "£1,234,567.89")]
        {
            assert_eq!(pounds(pence), shown);
        }
        assert_eq!(
            [limit(Some(10_000), ""), limit(Some(1), ""), limit(None, "unlimited")],
            ["10,000", "1", "unlimited"]
        );
    }

    #[test]
    fn every_placeholder_of_the_articles_is_a_rule_or_a_price() {
        let config = Config::read(&mut Reader::new(&Env::default())).expect("a configuration");
        let rules = FactSheet::try_new(&config).expect("rules").rules;
        let of_billing = ["price.", "tier.", "plan.", "addon."];
        for placeholder in crate::library::placeholders() {
            let known =
                rules.has(&placeholder) || of_billing.iter().any(|name| placeholder.starts_with(name));
            assert!(known, "nothing fills {placeholder}");
        }
    }
}
