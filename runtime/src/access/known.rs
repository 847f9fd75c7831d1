//! The RPCs that this process knows: its services host or call them.
//!
//! It is a global because spans, redaction and deferred calls look up an RPC by its name or its request, in code that holds no
//! service's state. A service registers its RPCs before any of its code runs.

use std::sync::{LazyLock, PoisonError, RwLock};

use prost_reflect::DescriptorPool;

use super::Methods;

/// The RPCs that every service hosts are known from the start.
static METHODS: LazyLock<RwLock<&'static Methods>> = LazyLock::new(|| {
    let mut pool = DescriptorPool::new();
    decode(&mut pool, &[levqor_proto_runtime::FILE_DESCRIPTOR_SET]);
    #[cfg(test)]
    decode(&mut pool, levqor_proto::FILE_DESCRIPTOR_SETS);
    RwLock::new(leak(pool))
});

/// Every RPC that this process knows.
#[must_use]
pub fn methods() -> &'static Methods {
    *METHODS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the RPCs of these encoded descriptor sets to the known RPCs, and returns all of them. RPCs that are already known do not
/// change.
pub fn register(descriptors: &[&[u8]]) -> &'static Methods {
    let mut methods = METHODS.write().unwrap_or_else(PoisonError::into_inner);
    let mut pool = methods.pool().clone();
    decode(&mut pool, descriptors);
    if pool.files().len() > methods.pool().files().len() {
        *methods = leak(pool);
    }
    *methods
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
