//! How Stripe stands to what is set: whether the key may read what is refetched, and whether each price is the
//! catalogue's. Asked after the start, again and again, and by `levqor doctor`; never before a call is served.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use levqor_runtime::service::Capability;

use crate::{
    config::Prices,
    domain::{
        catalogue::{CataloguePrice, PRICES, PriceFault},
        stripe_id::StripeId,
    },
    stripe::{FetchError, Stripe},
};

/// How long a good answer counts, and a bad one.
const WELL: Duration = Duration::from_mins(15);
const ILL: Duration = Duration::from_mins(1);
/// Prices that are asked for at once.
const AT_ONCE: usize = 4;

/// What was found when Stripe was last asked.
#[derive(Clone)]
struct Measured {
    time: DateTime<Utc>,
    refetch: Result<(), String>,
    /// What is wrong, by setting; nothing where all is well.
    faults: Result<Vec<String>, String>,
}

/// What is known of Stripe.
#[derive(Default)]
pub(crate) struct StripeHealth {
    measured: Mutex<Option<Measured>>,
}

impl StripeHealth {
    fn measured(&self) -> MutexGuard<'_, Option<Measured>> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks Stripe, and says in the log what changed; how long that counts.
    pub(crate) async fn measure(&self, stripe: &Stripe, prices: &Prices, now: DateTime<Utc>) -> Duration {
        let refetch = stripe.may_read_sessions().await.map_err(|error| error.to_string());
        let faults = faults(stripe, prices).await;
        let well = refetch.is_ok() && faults.as_ref().is_ok_and(Vec::is_empty);
        let before =
            self.measured().replace(Measured { time: now, refetch: refetch.clone(), faults: faults.clone() });
        if before.as_ref().is_none_or(|before| before.refetch != refetch) {
            match &refetch {
                Ok(()) => tracing::info!("Stripe answers, and the key may read checkout sessions"),
                Err(reason) => tracing::warn!(reason, "nothing can be refetched from Stripe"),
            }
        }
        if before.is_none_or(|before| before.faults != faults) {
            match &faults {
                Ok(faults) if faults.is_empty() => {
                    tracing::info!(count = prices.len(), "the prices at Stripe are the catalogue's");
                }
                Ok(faults) => {
                    let reason = faults.join("; ");
                    tracing::warn!(reason, "prices at Stripe are not the catalogue's");
                }
                Err(reason) => tracing::warn!(reason, "the prices cannot be compared with Stripe's"),
            }
        }
        if well { WELL } else { ILL }
    }

    /// Whether objects are fetched before they are acted on.
    pub(crate) fn refetch(&self) -> Capability {
        let name = "stripe_refetch";
        let what = "every object is fetched from Stripe before it is acted on";
        match &*self.measured() {
            None => Capability::on(name, format!("{what}; not measured yet")),
            Some(Measured { time, refetch: Ok(()), .. }) => {
                Capability::on(name, format!("{what}; the key may read them")).measured_at(*time)
            }
            Some(Measured { time, refetch: Err(reason), .. }) => {
                Capability::failed(name, format!("{what}, but {reason}")).measured_at(*time)
            }
        }
    }

    /// Whether the prices at Stripe are the catalogue's.
    pub(crate) fn prices(&self, prices: &Prices) -> Capability {
        let name = "stripe_prices";
        if prices.is_empty() {
            return Capability::off(name, "no STRIPE_PRICE_… is set");
        }
        let set = set(prices);
        match &*self.measured() {
            None => Capability::on(name, format!("{set}; not measured yet")),
            Some(Measured { time, faults: Err(reason), .. }) => {
                Capability::failed(name, format!("{set}; {reason}")).measured_at(*time)
            }
            Some(Measured { time, faults: Ok(faults), .. }) if faults.is_empty() => {
                Capability::on(name, format!("{set}; each is the catalogue's")).measured_at(*time)
            }
            Some(Measured { time, faults: Ok(faults), .. }) => {
                Capability::failed(name, faults.join("; ")).measured_at(*time)
            }
        }
    }
}

/// How many are set, and which are not.
fn set(prices: &Prices) -> String {
    let is_set = |price: &CataloguePrice| prices.iter().any(|(set, _)| set == price);
    let missing: Vec<_> = PRICES.iter().filter(|price| !is_set(price)).map(|price| price.setting).collect();
    let count = format!("{} of {} prices are set", prices.len(), PRICES.len());
    if missing.is_empty() { count } else { format!("{count}, not {}", missing.join(", ")) }
}

/// What is wrong with the prices, by setting; an error where Stripe did not say.
async fn faults(stripe: &Stripe, prices: &Prices) -> Result<Vec<String>, String> {
    let asked = stream::iter(prices.clone()).map(|(price, id)| async move {
        match compare(stripe, &price, &id).await {
            Ok(faults) => Ok(faults.iter().map(|fault| format!("{}: {fault}", price.setting)).collect()),
            Err(error) => Err(error.to_string()),
        }
    });
    let answers: Vec<Result<Vec<String>, String>> = asked.buffered(AT_ONCE).collect().await;
    let faults: Result<Vec<Vec<String>>, String> = answers.into_iter().collect();
    faults.map(|faults| faults.concat())
}

/// What is wrong with one price.
pub(crate) async fn compare(
    stripe: &Stripe,
    price: &CataloguePrice,
    id: &StripeId,
) -> Result<Vec<PriceFault>, FetchError> {
    Ok(match stripe.price(id).await? {
        Some(object) => price.faults(id.as_str(), &object, stripe.livemode()),
        None => vec![PriceFault::Missing],
    })
}
