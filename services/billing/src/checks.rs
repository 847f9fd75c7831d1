//! `levqor doctor`'s checks of the storage of files, and of Stripe: the account, the key's right to refetch objects, the webhook
//! endpoint, each price, and the clock.

mod endpoint;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use levqor_runtime::{
    check::{self, Check, Finding, Line},
    client::vendor_client,
    clock::Clock,
    service::Service,
    storage::Place,
};
use serde_json::Value;

use crate::{
    Billing,
    config::{Config, Prices},
    domain::catalogue::{PRICES, UPSELL_DISCOUNT},
    stripe::{FetchError, Stripe},
    stripe_health::compare,
};

/// Concurrent price requests.
const AT_ONCE: usize = 4;
/// Timeout of the clock check.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Checks that need the secret key.
const NEED_KEY: [&str; 4] =
    ["billing.stripe_account", "billing.stripe_refetch", "billing.stripe_clock", "billing.stripe_endpoint"];

/// The offer to Starter customers. The capability has the same name.
const OFFER: &str = "billing.upgrade_offer";
/// Whether files can be stored. The capability has the same name.
const FILES: &str = "billing.order_files";
/// One line for all prices, if none of them could be compared.
const PRICES_NAME: &str = "billing.stripe_prices";
const PRICES_ASKED: &str = "GET /v1/prices/…";

/// The checks that this configuration allows.
pub(crate) fn checks(config: &Config) -> Vec<Check> {
    let mut checks = of_stripe(config);
    checks.push(Place::check(config.storage.clone(), FILES, Billing::NAME));
    checks
}

fn of_stripe(config: &Config) -> Vec<Check> {
    let Some(key) = &config.secret_key else {
        let how = "the secret key of the account, sk_… or rk_…";
        let off = |name: &str| Check::known(name, Finding::not_set("STRIPE_SECRET_KEY", how));
        let needed = NEED_KEY.into_iter().map(off);
        let offer = match &config.promotion_code {
            Some(_) => off(OFFER),
            None => no_offer(),
        };
        return needed.chain([off(PRICES_NAME), offer]).collect();
    };
    let [account, refetch, clock, endpoint] = NEED_KEY;
    let Ok(stripe) = Stripe::try_new(key, &config.api_base) else {
        return vec![Check::known(account, Finding::failed("a client of Stripe's API cannot be made"))];
    };
    let stripe = Arc::new(stripe);
    let (base, for_refetch) = (config.api_base.clone(), Arc::clone(&stripe));
    let time = async move {
        match vendor_client(&base, TIMEOUT, false) {
            Ok(client) => check::clock::http_date(&client, base.as_str(), &Clock::default()).await,
            Err(error) => Finding::failed(check::clock::words(&error)),
        }
    };
    vec![
        Check::new(account, "GET /v1/account", account_of(Arc::clone(&stripe))),
        Check::new(refetch, "GET /v1/checkout/sessions?limit=1", async move {
            match for_refetch.may_read_sessions().await {
                Ok(()) => Finding::on("the key may read checkout sessions"),
                Err(error) => Finding::failed(error.to_string()),
            }
        }),
        Check::new(clock, "the Date of an answer", time),
        Check::new(
            endpoint,
            "GET /v1/webhook_endpoints",
            endpoint::find(Arc::clone(&stripe), config.shop.webhook_url.clone()),
        ),
        Check::several(PRICES_NAME, PRICES_ASKED, prices(Arc::clone(&stripe), config.prices.clone())),
        offer(stripe, config.promotion_code.clone()),
    ]
}

fn no_offer() -> Check {
    let how = "Stripe's promotion code of £150 off Professional";
    Check::known(OFFER, Finding::not_set("LEVQOR_UPSELL_PROMOTION_CODE", how))
}

/// Whether Stripe has the promotion code of the offer to Starter customers, and takes off the amount that the mail promises.
fn offer(stripe: Arc<Stripe>, code: Option<String>) -> Check {
    let Some(code) = code else { return no_offer() };
    Check::new(OFFER, format!("GET /v1/promotion_codes?active=true&code={code}"), async move {
        match stripe.promotion(&code).await {
            Ok(None) => Finding::failed(format!("Stripe has no active promotion code {code}")),
            Ok(Some(found)) => judge_offer(&found),
            Err(error) => Finding::failed(error.to_string()),
        }
    })
}

/// Newer API versions name the coupon within `promotion`, and may give its id only.
fn judge_offer(found: &Value) -> Finding {
    let coupon = found.get("coupon").or_else(|| found.get("promotion")?.get("coupon"));
    let amount = coupon.and_then(|coupon| coupon.get("amount_off")).and_then(Value::as_i64);
    let currency = coupon.and_then(|coupon| coupon.get("currency")).and_then(Value::as_str);
    let (expected_currency, expected) = UPSELL_DISCOUNT;
    match (amount, currency) {
        (Some(amount), Some(currency))
            if amount == expected && currency.eq_ignore_ascii_case(expected_currency) =>
        {
            Finding::on("Stripe has the code, and it takes off what the mail says")
        }
        (None, _) if coupon.is_none_or(Value::is_string) => {
            Finding::warning("Stripe has the code; how much it takes off is not known")
        }
        _ => Finding::failed("Stripe has the code, but it does not take £150.00 off, which the mail says"),
    }
}

async fn account_of(stripe: Arc<Stripe>) -> Finding {
    let mode = stripe.livemode();
    match stripe.account().await {
        Ok(account) => match account.charges_enabled {
            Some(false) => Finding::failed(format!("{}, {mode} mode: it may not take payments", account.id)),
            Some(true) => Finding::on(format!("{}, {mode} mode, it may take payments", account.id)),
            None => Finding::on(format!("{}, {mode} mode", account.id)),
        },
        // Billing never needs this permission, so a restricted key without it is only a warning.
        Err(refused @ FetchError::NotAllowed(403)) => Finding::warning(format!(
            "{refused}, {mode} mode: this key may not read the account, so whether that may take payments is not known"
        )),
        Err(error) => Finding::failed(error.to_string()),
    }
}

/// Returns one line per price, also for prices that are not set.
async fn prices(stripe: Arc<Stripe>, set: Prices) -> Vec<Line> {
    let asked = stream::iter(PRICES.iter().copied()).map(|price| {
        let id = set.iter().find(|(other, _)| *other == price).map(|(_, id)| id.clone());
        let stripe = Arc::clone(&stripe);
        async move {
            let name = format!("billing.{}", price.setting.to_lowercase());
            let Some(id) = id else {
                let why = format!("{} is not set: {price}", price.setting);
                let how = format!("set {} to Stripe's id of the price, price_…", price.setting);
                return (Line::new(name, "", Finding::off(why, how)), None);
            };
            let (finding, error) = match compare(&stripe, &price, &id).await {
                Ok(faults) if faults.is_empty() => (Finding::on(format!("{price}, active")), None),
                Ok(faults) => {
                    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                    (Finding::failed(format!("{}: {}", price.setting, faults.join("; "))), None)
                }
                Err(error) => (Finding::failed(format!("{}: {error}", price.setting)), Some(error)),
            };
            (Line::new(name, format!("GET /v1/prices/{id}"), finding), error)
        }
    });
    together(asked.buffered(AT_ONCE).collect().await)
}

/// Merges the lines if every price that is set failed with the same error. The cause is then the key or the connection, not the
/// prices.
fn together(asked: Vec<(Line, Option<FetchError>)>) -> Vec<Line> {
    let mut errors = asked.iter().filter(|(line, _)| !line.asked.is_empty()).map(|(_, error)| error);
    let first = errors.next().cloned().flatten();
    let Some(first) = first.filter(|first| errors.all(|error| error.as_ref() == Some(first))) else {
        return asked.into_iter().map(|(line, _)| line).collect();
    };
    let set = asked.iter().filter(|(line, _)| !line.asked.is_empty()).count();
    let why = Finding::failed(format!("{first}, for each of the {set} prices that are set"));
    let off = asked.into_iter().filter(|(line, _)| line.asked.is_empty()).map(|(line, _)| line);
    [Line::new(PRICES_NAME, PRICES_ASKED, why)].into_iter().chain(off).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_promotion_code_has_the_discount_of_the_mail() {
        for (found, outcome) in [
            (json!({"coupon": {"amount_off": 15_000, "currency": "gbp"}}), "On"),
            (json!({"promotion": {"coupon": {"amount_off": 15_000, "currency": "gbp"}}}), "On"),
            (json!({"coupon": {"amount_off": 10_000, "currency": "gbp"}}), "Failed"),
            (json!({"coupon": {"amount_off": 15_000, "currency": "usd"}}), "Failed"),
            (json!({"coupon": {"percent_off": 50}}), "Failed"),
            (json!({"promotion": {"coupon": "co_1"}}), "Warning"),
        ] {
            assert_eq!(format!("{:?}", judge_offer(&found).outcome), outcome, "{found}");
        }
    }
}
