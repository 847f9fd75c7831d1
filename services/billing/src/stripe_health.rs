//! Checks Stripe against the settings: whether the key may read checkout sessions, and whether each price equals the catalogue's.
//! It runs after the start, then regularly, and in `levqor doctor`. No RPC waits for it.

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

/// How long a good result and a bad result are valid.
const WELL: Duration = Duration::from_mins(15);
const ILL: Duration = Duration::from_mins(1);
/// Concurrent price requests.
const AT_ONCE: usize = 4;

/// A result, and the time of its measurement.
struct Measured<T> {
    time: DateTime<Utc>,
    found: T,
}

/// Whether objects can be refetched.
type Refetch = Result<(), String>;
/// The wrong prices, one text each with the setting's name; empty if all are right. An error if Stripe did not answer.
type Faults = Result<Vec<String>, String>;

/// The last results about Stripe.
#[derive(Default)]
pub(crate) struct StripeHealth {
    refetch: Mutex<Option<Measured<Refetch>>>,
    faults: Mutex<Option<Measured<Faults>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores a result. Returns whether it differs from the one before.
fn put<T: PartialEq>(known: &Mutex<Option<Measured<T>>>, found: T, time: DateTime<Utc>) -> bool {
    let mut known = lock(known);
    let changed = known.as_ref().is_none_or(|before| before.found != found);
    *known = Some(Measured { time, found });
    changed
}

impl StripeHealth {
    /// Updates the result about the key after a fetch, because the next measurement may be a quarter of an hour away. Errors with
    /// another cause say nothing about the key, and change nothing.
    pub(crate) fn fetched(&self, error: Option<&FetchError>, now: DateTime<Utc>) {
        match error {
            None => {
                let failed = lock(&self.refetch).as_ref().is_some_and(|known| known.found.is_err());
                if failed {
                    self.put_refetch(Ok(()), now);
                }
            }
            Some(refused @ FetchError::NotAllowed(_)) => self.put_refetch(Err(refused.to_string()), now),
            Some(FetchError::Temporary(_) | FetchError::NotUnderstood(_)) => {}
        }
    }

    fn put_refetch(&self, refetch: Refetch, now: DateTime<Utc>) {
        if put(&self.refetch, refetch.clone(), now) {
            match refetch {
                Ok(()) => tracing::info!("Stripe answers, and the key may read checkout sessions"),
                Err(reason) => tracing::warn!(reason, "nothing can be refetched from Stripe"),
            }
        }
    }

    /// Asks Stripe, and logs changes. Returns how long the result is valid.
    pub(crate) async fn measure(&self, stripe: &Stripe, prices: &Prices, now: DateTime<Utc>) -> Duration {
        let refetch = stripe.may_read_sessions().await.map_err(|error| error.to_string());
        let faults = faults(stripe, prices).await;
        let well = refetch.is_ok() && faults.as_ref().is_ok_and(Vec::is_empty);
        self.put_refetch(refetch, now);
        if put(&self.faults, faults.clone(), now) {
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

    /// Whether objects are refetched before billing acts on them.
    pub(crate) fn refetch(&self) -> Capability {
        let name = "stripe_refetch";
        let what = "every object is fetched from Stripe before it is acted on";
        match &*lock(&self.refetch) {
            None => Capability::on(name, format!("{what}; not measured yet")),
            Some(Measured { time, found: Ok(()) }) => {
                Capability::on(name, format!("{what}; the key may read them")).measured_at(*time)
            }
            Some(Measured { time, found: Err(reason) }) => {
                Capability::failed(name, format!("{what}, but {reason}")).measured_at(*time)
            }
        }
    }

    /// Whether the prices at Stripe equal the catalogue's.
    pub(crate) fn prices(&self, prices: &Prices) -> Capability {
        let name = "stripe_prices";
        if prices.is_empty() {
            return Capability::off(name, "no STRIPE_PRICE_… is set");
        }
        let set = set(prices);
        match &*lock(&self.faults) {
            None => Capability::on(name, format!("{set}; not measured yet")),
            Some(Measured { time, found: Err(reason) }) => {
                Capability::failed(name, format!("{set}; {reason}")).measured_at(*time)
            }
            Some(Measured { time, found: Ok(faults) }) if faults.is_empty() => {
                Capability::on(name, format!("{set}; each is the catalogue's")).measured_at(*time)
            }
            Some(Measured { time, found: Ok(faults) }) => {
                Capability::failed(name, faults.join("; ")).measured_at(*time)
            }
        }
    }
}

/// How many prices are set, and which are not.
fn set(prices: &Prices) -> String {
    let is_set = |price: &CataloguePrice| prices.iter().any(|(set, _)| set == price);
    let missing: Vec<_> = PRICES.iter().filter(|price| !is_set(price)).map(|price| price.setting).collect();
    let count = format!("{} of {} prices are set", prices.len(), PRICES.len());
    if missing.is_empty() { count } else { format!("{count}, not {}", missing.join(", ")) }
}

/// Lists the faults of the prices, with each setting's name. An error if Stripe did not answer.
async fn faults(stripe: &Stripe, prices: &Prices) -> Faults {
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

/// Lists the faults of one price.
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
