//! The company that keeps the bucket.

use super::{Place, place::Kind};
use crate::recipient::Recipient;

impl Place {
    /// The provider of the bucket, which is on if the storage has a bucket. `purpose` says what a service keeps there.
    #[must_use]
    pub fn recipient(place: Option<&Self>, purpose: &'static str) -> Recipient {
        let categories = &["EMAIL", "NAME", "MESSAGE"];
        let provider =
            Recipient::new("The provider of the bucket", purpose, categories, "LEVQOR_STORAGE_S3_BUCKET");
        let kinds = place.into_iter().flat_map(|place| [Some(&place.first), place.fallback.as_ref()]);
        let bucket = kinds.flatten().find_map(|kind| match kind {
            Kind::Bucket(bucket) => Some(bucket.endpoint.host()),
            Kind::Folder(_) => None,
        });
        provider.at(bucket)
    }
}
