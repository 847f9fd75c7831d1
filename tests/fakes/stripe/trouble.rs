//! Faults of the API that a test orders.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 429, and nothing is done.
    RateLimited,
    /// 500, and nothing is done; a second try with the same idempotency key is answered the same.
    Internal,
    /// It is done, and answered only after so long.
    Slow(Duration),
    /// It is done, and the connection breaks in the middle of the answer.
    Cut,
}

/// Faults at random: of each kind this share of the requests, between 0 and 1.
pub(crate) struct Trouble {
    pub(crate) rate_limited: f64,
    pub(crate) internal: f64,
    pub(crate) cut: f64,
    pub(crate) slow: f64,
    /// How long a slow answer takes at the most.
    pub(crate) slowness: Duration,
    dice: StdRng,
}

impl Default for Trouble {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl Trouble {
    /// None yet. The seed decides when the set troubles happen.
    pub(crate) fn seeded(seed: u64) -> Self {
        let dice = StdRng::seed_from_u64(seed);
        Self { rate_limited: 0.0, internal: 0.0, cut: 0.0, slow: 0.0, slowness: Duration::ZERO, dice }
    }

    /// What goes wrong with the next request.
    pub(super) fn next(&mut self) -> Option<Fault> {
        let slow = Fault::Slow(self.slowness.mul_f64(self.dice.random()));
        let mut throw: f64 = self.dice.random();
        let kinds = [
            (self.rate_limited, Fault::RateLimited),
            (self.internal, Fault::Internal),
            (self.cut, Fault::Cut),
            (self.slow, slow),
        ];
        kinds.into_iter().find_map(|(share, fault)| {
            throw -= share;
            (throw < 0.0).then_some(fault)
        })
    }
}
