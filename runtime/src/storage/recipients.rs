//! The company that stores files: the provider of the bucket.

use super::{Place, place::Kind};
use crate::recipient::Recipient;

/// The categories of the data in files.
const CATEGORIES: &[&str] = &["EMAIL", "NAME", "MESSAGE"];

impl Place {
    /// The provider of the bucket. It is on if the storage has a bucket. `purpose`: what a service stores in the bucket.
    #[must_use]
    pub fn recipient(place: Option<&Self>, purpose: &'static str) -> Recipient {
        let provider =
            Recipient::new("The provider of the bucket", purpose, CATEGORIES, "LEVQOR_STORAGE_S3_BUCKET");
        let kinds = place.into_iter().flat_map(|place| [Some(&place.first), place.fallback.as_ref()]);
        let bucket = kinds.flatten().find_map(|kind| match kind {
            Kind::Bucket(bucket) => Some(bucket.endpoint.host()),
            Kind::Folder(_) => None,
        });
        provider.at(bucket)
    }
}
