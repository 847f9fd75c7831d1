//! A limited quantity that addresses share. One address gets no more than its share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::peer::CallerAddress;

/// The total, and the most that one address may take.
pub(crate) struct Shares {
    most: usize,
    most_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    per_address: HashMap<CallerAddress, usize>,
}

impl Shares {
    /// Makes shares with this total, and this limit per address.
    #[must_use]
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, taken: Mutex::default() })
    }

    /// An empty share for this address.
    #[must_use]
    pub(crate) fn of(self: &Arc<Self>, address: CallerAddress) -> Share {
        Share { shares: Arc::clone(self), address, size: 0 }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The amount that a request holds until the share is dropped.
pub(crate) struct Share {
    shares: Arc<Shares>,
    address: CallerAddress,
    size: usize,
}

impl Share {
    /// Whether the share holds nothing.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Takes `more`, all of it or nothing. Returns whether it was available.
    #[must_use]
    pub(crate) fn take(&mut self, more: usize) -> bool {
        let shares = &self.shares;
        let mut taken = shares.taken();
        let all = taken.all.saturating_add(more);
        let its = taken.per_address.get(&self.address).copied().unwrap_or_default().saturating_add(more);
        if all > shares.most || its > shares.most_per_address {
            return false;
        }
        taken.all = all;
        taken.per_address.insert(self.address, its);
        self.size += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.size == 0 {
            return;
        }
        let mut taken = self.shares.taken();
        taken.all -= self.size;
        if let Some(its) = taken.per_address.get_mut(&self.address) {
            *its -= self.size;
            if *its == 0 {
                taken.per_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(n: u8) -> CallerAddress {
        IpAddr::from([192, 0, 2, n]).into()
    }

    #[test]
    fn neither_an_address_nor_all_together_get_more_than_their_limit() {
        let shares = Shares::new(10, 6);
        let [mut one, mut same, mut other] = [1, 1, 2].map(|n| shares.of(address(n)));
        assert!(one.take(4) && same.take(2) && !same.take(1) && !one.take(1));
        assert!(!other.take(5) && other.take(4) && !other.take(1));
        drop(one);
        assert!(same.take(4) && !other.take(1));
        drop(same);
        assert!(other.take(2));
        drop(other);
        assert!(shares.taken().per_address.is_empty() && shares.taken().all == 0);
    }
}
