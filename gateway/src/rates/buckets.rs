//! The buckets of one rate class, and the headers that tell callers about their own.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use levqor_runtime::{error::ErrorCode, rate::Rate};

use crate::problem::Problem;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The number of shared buckets that all callers use while there are too many buckets.
const SHARED_BUCKETS: u64 = 1 << 14;

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, MonotonicClock, StateInformationMiddleware>;

/// The buckets of one class.
pub(super) struct Buckets {
    limiter: Limiter,
    /// `"default";q=300;w=60`
    policy: HeaderValue,
    name: &'static str,
    most: usize,
    crowded: AtomicBool,
}

/// The limit's state for the caller, in the headers of draft-ietf-httpapi-ratelimit-headers.
#[derive(Debug, Default)]
pub(crate) struct LimitHeaders(Option<[HeaderValue; 2]>);

/// The caller has sent too many requests.
pub(crate) struct LimitExceeded {
    /// The headers about the limit.
    pub headers: LimitHeaders,
    /// When the next request is accepted.
    retry_after: Duration,
}

impl Buckets {
    /// Creates buckets for this rate. Above `most` buckets, callers share them.
    pub(super) fn new(name: &'static str, rate: Rate, most: usize) -> Self {
        // The shortest window is one second and the most requests are ten million, so the interval is at least 100 ns.
        let interval = (rate.window / rate.requests.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(rate.requests);
        let policy = format!("\"{name}\";q={};w={}", rate.requests, rate.window.as_secs());
        Self {
            limiter: RateLimiter::new(quota, DashMapStateStore::default(), MonotonicClock),
            // Digits and the name of the class are always a valid header.
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
            name,
            most,
            crowded: AtomicBool::new(false),
        }
    }

    /// Takes one request from a bucket.
    pub(super) fn take(&self, key: u64) -> Result<LimitHeaders, LimitExceeded> {
        // A caller with very many addresses makes others share buckets, but cannot exhaust the memory of this process.
        let key = if self.crowded.load(Ordering::Relaxed) { key % SHARED_BUCKETS } else { key };
        match self.limiter.check_key(&key) {
            Ok(state) => {
                let (left, quota) = (state.remaining_burst_capacity(), state.quota());
                let used = quota.burst_size().get().saturating_sub(left);
                Ok(self.headers(left, quota.replenish_interval() * used))
            }
            Err(until) => {
                let retry_after = until.wait_time_from(MonotonicClock.now());
                let full = until.quota().burst_size_replenished_in();
                Err(LimitExceeded { headers: self.headers(0, full.max(retry_after)), retry_after })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// `RateLimit`: how many requests are available, and in how many seconds the bucket is full again.
    fn headers(&self, left: u32, full_in: Duration) -> LimitHeaders {
        let seconds = full_in.as_secs() + u64::from(full_in.subsec_nanos() > 0);
        let now = HeaderValue::try_from(format!("\"{}\";r={left};t={seconds}", self.name));
        LimitHeaders(now.ok().map(|now| [self.policy.clone(), now]))
    }

    /// Drops the full buckets, since a full bucket equals a new one.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
        self.crowded.store(self.limiter.len() > self.most, Ordering::Relaxed);
        self.limiter.shrink_to_fit();
    }
}

impl LimitHeaders {
    /// Adds the headers to a response.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        if let Some([policy, now]) = self.0 {
            headers.insert(RATE_LIMIT_POLICY, policy);
            headers.insert(RATE_LIMIT, now);
        }
    }
}

impl LimitExceeded {
    /// The problem for the caller.
    pub(crate) fn problem(&self) -> Problem {
        let detail = "too many requests; try again after the time in the Retry-After header";
        Problem::new(ErrorCode::RateLimited, "RATE_LIMITED", detail).with_retry_after(self.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(rate: &str, most: usize) -> Buckets {
        Buckets::new("default", rate.parse().expect("a rate"), most)
    }

    #[test]
    fn invented_callers_do_not_fill_the_memory() {
        const MAX: usize = 1000;
        let buckets = buckets("1/86400s", MAX);
        let flood = |keys: std::ops::Range<u64>| {
            for key in keys {
                // Spread over the key space, as hashes are.
                let _ = buckets.take(key.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            }
            buckets.sweep();
        };
        flood(0..2000);
        assert!(buckets.crowded.load(Ordering::Relaxed));
        let before = buckets.limiter.len();
        flood(2000..100_000);
        let shared = usize::try_from(SHARED_BUCKETS).expect("a number");
        assert!(buckets.limiter.len() <= before + shared, "{}", buckets.limiter.len());
    }

    #[test]
    fn a_bucket_that_is_full_again_is_dropped() {
        let buckets = buckets("1000000/1s", 100);
        assert!(buckets.take(1).is_ok() && buckets.take(2).is_ok());
        // The buckets fill up within microseconds.
        while !buckets.limiter.is_empty() {
            buckets.sweep();
        }
        assert!(!buckets.crowded.load(Ordering::Relaxed));
    }
}
