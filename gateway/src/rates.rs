//! Rate limits of one caller, by the class that an RPC has in its proto (`levqor.options.v1.rate`).
//!
//! Each caller has a bucket per class, which is full at first and refills evenly. The buckets are in the memory of this process,
//! so each replica of the gateway counts alone. RPCs of the class CODE are also counted by their service, in its database.

mod buckets;
mod config;

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use levqor_runtime::{
    access::RateClass,
    context::{Actor, Role},
    rate::Rate,
};

use self::buckets::Buckets;
pub(crate) use self::buckets::{LimitExceeded, LimitHeaders};
pub use self::config::RatesConfig;
use crate::peer::CallerAddress;

/// How many buckets of one kind may exist before callers share them. They take some megabytes.
const MOST_BUCKETS: usize = 1 << 17;
/// How often the full buckets are dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Counts requests by caller. `None` if all limits are off.
pub(crate) struct Rates(Option<Counters>);

struct Counters {
    /// In the order of `RateClass::ALL`.
    classes: [Class; RateClass::ALL.len()],
    /// Hashes the keys of the buckets, so that no `sub` or address is stored.
    hasher: RandomState,
    since: Instant,
    swept: AtomicU64,
}

struct Class {
    of: RateClass,
    /// The buckets of customers and services.
    callers: Buckets,
    staff: Buckets,
    /// The buckets of anonymous callers, by address. Their number is unlimited, so they must not crowd out the others.
    addresses: Buckets,
}

impl Rates {
    /// Creates the limits.
    #[must_use]
    pub(crate) fn new(config: &RatesConfig) -> Self {
        let class = |class: RateClass| {
            let rate = config.of(class);
            let buckets = |rate: Rate| Buckets::new(class.as_str(), rate, MOST_BUCKETS);
            Class {
                of: class,
                callers: buckets(rate),
                staff: buckets(rate.of_staff()),
                addresses: buckets(rate),
            }
        };
        Self(config.on.then(|| Counters {
            classes: RateClass::ALL.map(class),
            hasher: RandomState::new(),
            since: Instant::now(),
            swept: AtomicU64::new(0),
        }))
    }

    /// Takes one request from the caller's bucket. Callers without an address, as in tests of the routes alone, share one bucket.
    pub(crate) fn take(
        &self,
        class: RateClass,
        actor: &Actor,
        address: Option<CallerAddress>,
    ) -> Result<LimitHeaders, LimitExceeded> {
        let Some(counters) = &self.0 else { return Ok(LimitHeaders::default()) };
        counters.sweep_if_due();
        let Some(class) = counters.classes.iter().find(|counted| counted.of == class) else {
            return Ok(LimitHeaders::default());
        };
        // The kind of the key is hashed too, because a `sub` may look like an address.
        let (buckets, key) = match actor {
            Actor::User(user) if user.role >= Role::Staff => {
                (&class.staff, counters.hasher.hash_one(("user", user.sub.as_str())))
            }
            Actor::User(user) => (&class.callers, counters.hasher.hash_one(("user", user.sub.as_str()))),
            Actor::Service(name) => (&class.callers, counters.hasher.hash_one(("service", name.as_str()))),
            Actor::Anonymous => (&class.addresses, counters.hasher.hash_one(("address", address))),
        };
        buckets.take(key)
    }
}

impl Counters {
    /// Drops the full buckets, since a full bucket equals a new one. The requests themselves do it, because only requests create
    /// buckets.
    fn sweep_if_due(&self) {
        let turn = self.since.elapsed().as_secs() / SWEEP_EVERY.as_secs();
        let swept = self.swept.load(Ordering::Relaxed);
        let mine = turn > swept
            && self.swept.compare_exchange(swept, turn, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            for class in &self.classes {
                class.callers.sweep();
                class.staff.sweep();
                class.addresses.sweep();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use levqor_runtime::context::User;

    use super::*;

    fn rates(rate: &str) -> Rates {
        let rate = rate.parse().expect("a rate");
        let config = RatesConfig { on: true, default: rate, chat: rate, code: rate, heavy: rate };
        Rates::new(&config)
    }

    fn user(sub: &str, role: Role) -> Actor {
        Actor::User(User { sub: sub.to_owned(), email: None, email_verified: false, role })
    }

    fn address(text: &str) -> CallerAddress {
        text.parse::<IpAddr>().expect("an address").into()
    }

    /// How many of these requests are accepted.
    fn taken(rates: &Rates, actor: &Actor, from: &str, requests: usize) -> usize {
        (0..requests).filter(|_| rates.take(RateClass::Default, actor, Some(address(from))).is_ok()).count()
    }

    #[test]
    fn each_caller_has_a_limit_of_their_own_and_staff_ten_times_as_much() {
        let rates = rates("3/86400s");
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
    fn a_crowd_of_addresses_does_not_make_signed_in_callers_share_a_bucket() {
        let rates = rates("1/86400s");
        for n in 0..=u32::try_from(MOST_BUCKETS).expect("a number") {
            let from = IpAddr::from(n.to_be_bytes()).into();
            assert!(rates.take(RateClass::Default, &Actor::Anonymous, Some(from)).is_ok());
        }
        let counters = rates.0.as_ref().expect("limits");
        for class in &counters.classes {
            class.addresses.sweep();
            class.callers.sweep();
            assert_eq!(class.addresses.is_crowded(), class.of == RateClass::Default);
            assert!(!class.callers.is_crowded(), "{:?}", class.of);
        }
    }

    #[test]
    fn each_class_is_counted_by_itself() {
        let rates = rates("1/86400s");
        for class in RateClass::ALL {
            let take = || rates.take(class, &Actor::Anonymous, Some(address("203.0.113.1"))).is_ok();
            assert_eq!((take(), take()), (true, false), "{class:?}");
        }
    }

    #[test]
    fn one_ipv6_network_of_64_bits_is_one_caller() {
        let rates = rates("2/86400s");
        for (from, expected) in
            [("2001:db8::1", 1), ("2001:db8::2", 1), ("2001:db8::3", 0), ("2001:db8:0:1::1", 1)]
        {
            assert_eq!(taken(&rates, &Actor::Anonymous, from, 1), expected, "{from}");
        }
    }
}
