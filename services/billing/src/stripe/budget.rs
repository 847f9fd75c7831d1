//! The rate budget: Stripe takes 25 requests a second per endpoint, and 100 in all
//! (<https://docs.stripe.com/rate-limits>). It is counted in this process; where several replicas share a key, Stripe's 429
//! slows them down.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::CallError;

const PER_ENDPOINT: NonZeroU32 = NonZeroU32::new(25).expect("not zero");
const IN_ALL: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

/// The requests that may still be made now.
pub(super) struct Budget {
    endpoints: DefaultKeyedRateLimiter<(&'static str, &'static str)>,
    all: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Default for Budget {
    fn default() -> Self {
        let endpoints = RateLimiter::keyed(Quota::per_second(PER_ENDPOINT));
        let all = RateLimiter::direct(Quota::per_second(IN_ALL));
        Self { endpoints, all, clock: DefaultClock::default() }
    }
}

impl Budget {
    /// Waits until a request to the endpoint may be made, but no longer than this.
    pub(super) async fn spend(
        &self,
        method: &'static str,
        template: &'static str,
        time_budget: Duration,
    ) -> Result<(), CallError> {
        let begun = Instant::now();
        loop {
            let endpoint = self
                .endpoints
                .check_key(&(method, template))
                .map_err(|full| full.wait_time_from(self.clock.now()));
            let Err(wait) = endpoint
                .and_then(|()| self.all.check().map_err(|full| full.wait_time_from(self.clock.now())))
            else {
                return Ok(());
            };
            if begun.elapsed() + wait > time_budget {
                return Err(CallError::NotMade {
                    what: "the rate budget is spent",
                    after: wait.max(Duration::from_secs(1)),
                });
            }
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests are let through of these, which come at once.
    async fn let_through(templates: &[&'static str], times: usize) -> u128 {
        let (budget, mut made) = (Budget::default(), 0);
        for _ in 0..times {
            for &template in templates {
                made += u128::from(budget.spend("GET", template, Duration::ZERO).await.is_ok());
            }
        }
        made
    }

    #[tokio::test]
    async fn an_endpoint_gets_25_requests_at_once_and_all_endpoints_together_100() {
        let begun = Instant::now();
        let one = let_through(&["/a"], 60).await;
        let all = let_through(&["/a", "/b", "/c", "/d", "/e", "/f"], 25).await;
        // The budgets refill while the test runs: by one request per 10 ms at most.
        let back = begun.elapsed().as_millis() / 10 + 1;
        assert!((25..=25 + back).contains(&one), "{one}, {back}");
        assert!((100..=100 + back).contains(&all), "{all}, {back}");
    }

    #[tokio::test]
    async fn a_caller_with_time_left_waits_for_the_budget() {
        let (budget, begun) = (Budget::default(), Instant::now());
        for _ in 0..26 {
            assert!(budget.spend("GET", "/a", Duration::from_mins(1)).await.is_ok());
        }
        assert!(begun.elapsed() >= Duration::from_millis(39), "25 a second is one per 40 ms");
        assert!(
            budget.spend("POST", "/a", Duration::ZERO).await.is_ok(),
            "another endpoint has its own budget"
        );
    }
}
