//! Rate limits: how often one caller may ask, by the class that an RPC has in its proto (`levqor.options.v1.rate`).
//!
//! Each caller has a bucket per class that is full at first and fills up again evenly. The buckets are in this process'
//! memory: each replica of the gateway counts for itself. That also holds for the class CODE until the service that brings
//! the first RPC of that class counts it in its database.

mod config;

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use levqor_runtime::{
    access::RateClass,
    context::{Actor, Role},
    error::ErrorCode,
};

pub use self::config::{NotARate, Rate, RatesConfig};
use crate::{peer::CallerAddress, problem::Problem};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How many times as much staff may ask.
const STAFF: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// How many buckets of one kind there may be before callers begin to share them: some megabytes.
const MOST_BUCKETS: usize = 1 << 17;
/// Among how many buckets callers are spread then.
const SHARED_BUCKETS: u64 = 1 << 14;
/// How often buckets that are full again are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, MonotonicClock, StateInformationMiddleware>;

/// Counts requests by caller. `None` where every limit is lifted.
pub(crate) struct Rates(Option<Counters>);

struct Counters {
    /// In the order of `RateClass::ALL`.
    classes: [Class; RateClass::ALL.len()],
    /// Keys of the buckets: nobody's `sub` or address is kept.
    hasher: RandomState,
    since: Instant,
    swept: AtomicU64,
}

struct Class {
    class: RateClass,
    callers: Buckets,
    staff: Buckets,
}

/// The buckets of one class.
struct Buckets {
    limiter: Limiter,
    /// `"default";q=300;w=60`
    policy: HeaderValue,
    name: &'static str,
    most: usize,
    crowded: AtomicBool,
}

/// What a caller is told about the limit: the headers of draft-ietf-httpapi-ratelimit-headers.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<[HeaderValue; 2]>);

/// The caller has asked too often.
pub(crate) struct TooMany {
    /// What the caller is told about the limit.
    pub told: Told,
    /// When the next request is taken.
    retry_after: Duration,
}

impl Rates {
    /// With these limits.
    #[must_use]
    pub(crate) fn new(config: &RatesConfig) -> Self {
        Self::with_most(config, MOST_BUCKETS)
    }

    fn with_most(config: &RatesConfig, most: usize) -> Self {
        let class = |class: RateClass| {
            let rate = config.of(class);
            let more = Rate { requests: rate.requests.saturating_mul(STAFF), window: rate.window };
            let buckets = |rate| Buckets::new(class.as_str(), rate, most);
            Class { class, callers: buckets(rate), staff: buckets(more) }
        };
        Self(config.on.then(|| Counters {
            classes: RateClass::ALL.map(class),
            hasher: RandomState::new(),
            since: Instant::now(),
            swept: AtomicU64::new(0),
        }))
    }

    /// Takes one request out of the caller's bucket. Callers without an address, as in tests of the routes alone, share one.
    pub(crate) fn take(
        &self,
        class: RateClass,
        actor: &Actor,
        address: Option<CallerAddress>,
    ) -> Result<Told, TooMany> {
        let Some(counters) = &self.0 else { return Ok(Told::default()) };
        counters.sweep_if_due();
        let Some(class) = counters.classes.iter().find(|counted| counted.class == class) else {
            return Ok(Told::default());
        };
        // What tells a `sub` from an address is hashed too: a person may be called like one.
        let (buckets, key) = match actor {
            Actor::User(user) if user.role >= Role::Staff => {
                (&class.staff, counters.hasher.hash_one(("user", user.sub.as_str())))
            }
            Actor::User(user) => (&class.callers, counters.hasher.hash_one(("user", user.sub.as_str()))),
            Actor::Service(name) => (&class.callers, counters.hasher.hash_one(("service", name.as_str()))),
            Actor::Anonymous => (&class.callers, counters.hasher.hash_one(("address", address))),
        };
        buckets.take(key)
    }
}

impl Counters {
    /// Forgets the buckets that are full again: they are as good as new ones. Done by the requests themselves, as without
    /// requests no bucket is made.
    fn sweep_if_due(&self) {
        let turn = self.since.elapsed().as_secs() / SWEEP_EVERY.as_secs();
        let swept = self.swept.load(Ordering::Relaxed);
        let mine = turn > swept
            && self.swept.compare_exchange(swept, turn, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            for class in &self.classes {
                class.callers.sweep();
                class.staff.sweep();
            }
        }
    }
}

impl Buckets {
    fn new(name: &'static str, rate: Rate, most: usize) -> Self {
        // A rate has at least one second for at most ten million requests: never under 100 ns for one.
        let interval = (rate.window / rate.requests.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(rate.requests);
        let policy = format!("\"{name}\";q={};w={}", rate.requests, rate.window.as_secs());
        Self {
            limiter: RateLimiter::new(quota, DashMapStateStore::default(), MonotonicClock),
            // Digits and the class' name: always a header.
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
            name,
            most,
            crowded: AtomicBool::new(false),
        }
    }

    fn take(&self, key: u64) -> Result<Told, TooMany> {
        // Somebody with very many addresses makes strangers share buckets rather than this process run out of memory.
        let key = if self.crowded.load(Ordering::Relaxed) { key % SHARED_BUCKETS } else { key };
        match self.limiter.check_key(&key) {
            Ok(state) => {
                let (left, quota) = (state.remaining_burst_capacity(), state.quota());
                let used = quota.burst_size().get().saturating_sub(left);
                Ok(self.tell(left, quota.replenish_interval() * used))
            }
            Err(until) => {
                let retry_after = until.wait_time_from(MonotonicClock.now());
                let full = until.quota().burst_size_replenished_in();
                Err(TooMany { told: self.tell(0, full.max(retry_after)), retry_after })
            }
        }
    }

    /// `RateLimit`: how many requests are left, and in how many seconds the bucket is full again.
    fn tell(&self, left: u32, full_in: Duration) -> Told {
        let seconds = full_in.as_secs() + u64::from(full_in.subsec_nanos() > 0);
        let now = HeaderValue::try_from(format!("\"{}\";r={left};t={seconds}", self.name));
        Told(now.ok().map(|now| [self.policy.clone(), now]))
    }

    fn sweep(&self) {
        self.limiter.retain_recent();
        self.crowded.store(self.limiter.len() > self.most, Ordering::Relaxed);
        self.limiter.shrink_to_fit();
    }
}

impl Told {
    /// Says it in the headers of an answer.
    pub(crate) fn say(self, headers: &mut HeaderMap) {
        if let Some([policy, now]) = self.0 {
            headers.insert(RATE_LIMIT_POLICY, policy);
            headers.insert(RATE_LIMIT, now);
        }
    }
}

impl TooMany {
    /// What the caller is answered.
    pub(crate) fn problem(&self) -> Problem {
        let detail = "too many requests; try again after the seconds that the Retry-After header says";
        Problem::new(ErrorCode::RateLimited, "RATE_LIMITED", detail).with_retry_after(self.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use levqor_runtime::context::User;

    use super::*;

    fn rates(rate: &str, most: usize) -> Rates {
        let rate = rate.parse().expect("a rate");
        let config = RatesConfig { on: true, default: rate, chat: rate, code: rate, heavy: rate };
        Rates::with_most(&config, most)
    }

    fn user(sub: &str, role: Role) -> Actor {
        Actor::User(User { sub: sub.to_owned(), email: None, email_verified: false, role })
    }

    fn address(text: &str) -> CallerAddress {
        text.parse::<IpAddr>().expect("an address").into()
    }

    /// How many of so many requests are taken.
    fn taken(rates: &Rates, actor: &Actor, from: &str, requests: usize) -> usize {
        (0..requests).filter(|_| rates.take(RateClass::Default, actor, Some(address(from))).is_ok()).count()
    }

    #[test]
    fn each_caller_has_a_limit_of_their_own_and_staff_ten_times_as_much() {
        let rates = rates("3/86400s", 100);
        let (alice, bob) = (user("alice", Role::Customer), user("bob", Role::Customer));
        assert_eq!(taken(&rates, &alice, "203.0.113.1", 5), 3);
        assert_eq!(taken(&rates, &alice, "203.0.113.2", 5), 0, "a caller is the same from elsewhere");
        assert_eq!(taken(&rates, &bob, "203.0.113.1", 5), 3);
        assert_eq!(taken(&rates, &Actor::Anonymous, "203.0.113.1", 5), 3);
        assert_eq!(taken(&rates, &Actor::Anonymous, "203.0.113.2", 5), 3);
        for role in [Role::Staff, Role::Admin] {
            assert_eq!(taken(&rates, &user(&format!("{role:?}"), role), "203.0.113.1", 40), 30, "{role:?}");
        }
    }

    #[test]
    fn each_class_is_counted_by_itself() {
        let rates = rates("1/86400s", 100);
        for class in RateClass::ALL {
            let take = || rates.take(class, &Actor::Anonymous, Some(address("203.0.113.1"))).is_ok();
            assert_eq!((take(), take()), (true, false), "{class:?}");
        }
    }

    #[test]
    fn one_ipv6_network_of_64_bits_is_one_caller() {
        let rates = rates("2/86400s", 100);
        for (from, expected) in
            [("2001:db8::1", 1), ("2001:db8::2", 1), ("2001:db8::3", 0), ("2001:db8:0:1::1", 1)]
        {
            assert_eq!(taken(&rates, &Actor::Anonymous, from, 1), expected, "{from}");
        }
    }

    #[test]
    fn what_a_stranger_makes_up_does_not_fill_the_memory() {
        const MOST: usize = 1000;
        let rates = rates("1/86400s", MOST);
        let buckets = &rates.0.as_ref().expect("limits").classes[0].callers;
        let flood = |subs: std::ops::Range<u32>| {
            for n in subs {
                let _ = rates.take(
                    RateClass::Default,
                    &Actor::Anonymous,
                    Some(IpAddr::from(n.to_be_bytes()).into()),
                );
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
    fn a_bucket_that_is_full_again_is_forgotten() {
        let rates = rates("1000000/1s", 100);
        let buckets = &rates.0.as_ref().expect("limits").classes[0].callers;
        assert_eq!(taken(&rates, &Actor::Anonymous, "203.0.113.1", 3), 3);
        // It fills up within microseconds.
        while buckets.limiter.len() > 0 {
            buckets.sweep();
        }
        assert!(!buckets.crowded.load(Ordering::Relaxed));
    }
}
