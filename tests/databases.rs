//! The databases of a mesh: one for each service.

use levqor_runtime::{db::DatabaseUrl, testing};

use crate::services;

/// A new database of each service, in the order of `services::ALL`.
pub(crate) async fn databases() -> Vec<DatabaseUrl> {
    let mut urls = Vec::new();
    for service in services::ALL {
        urls.push(testing::database_of(service.name(), service.migrator()).await);
    }
    urls
}

/// The part of this service in a list that has one for each service, in the order of `services::ALL`.
pub(crate) fn of<'a, T>(service: &str, parts: &'a [T]) -> &'a T {
    named(parts).find(|(name, _)| *name == service).expect("a service").1
}

/// The parts of such a list, each with the name of its service.
pub(crate) fn named<T>(parts: &[T]) -> impl Iterator<Item = (&'static str, &T)> {
    assert_eq!(parts.len(), services::ALL.len(), "one for each service");
    services::ALL.iter().map(|service| service.name()).zip(parts)
}
