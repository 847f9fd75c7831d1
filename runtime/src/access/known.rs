//! The RPCs that this process knows: those that its services host or call.
//!
//! It is a global because spans, redaction and deferred calls look an RPC up by its name or its request, deep inside calls
//! that no service's value reaches. What a service knows, it registers before anything of it runs.

use std::sync::{LazyLock, PoisonError, RwLock};

use prost_reflect::DescriptorPool;

use super::Methods;

/// What every service hosts is known from the beginning.
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

/// Adds the RPCs of these encoded descriptor sets to those that the process knows, and returns all of them. What is known
/// already stays as it is.
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
        // The bytes are compiled in, and the build decoded them once already. Files that are there are skipped.
        let _ = pool.decode_file_descriptor_set(*set);
    }
}

/// Contexts and metrics hold methods for as long as the process lives; it registers a handful of sets, at its start.
fn leak(pool: DescriptorPool) -> &'static Methods {
    Box::leak(Box::new(Methods::read(pool)))
}
