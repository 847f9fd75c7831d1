//! The RPCs that this process knows: its services host or call them. It is a global because spans, redaction and deferred calls look
//! up an RPC without a service's state. A service registers its RPCs before any of its code runs.

use std::sync::{LazyLock, PoisonError, RwLock};

use prost_reflect::DescriptorPool;

use super::Methods;

/// The known descriptors, and their encoded descriptor sets.
struct Known {
    methods: &'static Methods,
    sets: Vec<&'static [u8]>,
}

/// The RPCs that every service hosts are known from the start.
#[cfg(not(test))]
const AT_START: &[&[u8]] = &[levqor_proto_runtime::FILE_DESCRIPTOR_SET];
#[cfg(test)]
const AT_START: &[&[u8]] = levqor_proto::FILE_DESCRIPTOR_SETS;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(|| {
    let mut pool = DescriptorPool::new();
    decode(&mut pool, AT_START);
    RwLock::new(Known { methods: leak(pool), sets: AT_START.to_vec() })
});

/// Every RPC that this process knows.
#[must_use]
pub fn methods() -> &'static Methods {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).methods
}

/// Adds the RPCs of these encoded descriptor sets to the known RPCs, and returns all of them. RPCs that are already known do not
/// change. A set that is known is not decoded again: that takes long, and a test process starts many services.
pub fn register(descriptors: &[&'static [u8]]) -> &'static Methods {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let new: Vec<_> = descriptors.iter().filter(|set| !known.sets.contains(set)).copied().collect();
    if new.is_empty() {
        return known.methods;
    }
    let mut pool = known.methods.pool().clone();
    decode(&mut pool, &new);
    known.sets.extend(new);
    if pool.files().len() > known.methods.pool().files().len() {
        known.methods = leak(pool);
    }
    known.methods
}

fn decode(pool: &mut DescriptorPool, descriptors: &[&[u8]]) {
    for set in descriptors {
        // Decoding cannot fail: the bytes are compiled in, and the build already decoded them. Known files are skipped.
        let _ = pool.decode_file_descriptor_set(*set);
    }
}

/// Contexts and metrics hold methods for the life of the process. Leaking is cheap: a process registers a few sets, only at its
/// start.
fn leak(pool: DescriptorPool) -> &'static Methods {
    Box::leak(Box::new(Methods::read(pool)))
}
