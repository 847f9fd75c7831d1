//! Typed ids per table, UUIDv7 so that they sort by time; and the form of request ids and of idempotency keys.

use chrono::{DateTime, Utc};
use http::HeaderMap;
use uuid::Uuid;

/// A new UUIDv7 of this instant (RFC 9562, 5.7). The time comes from the mesh's clock, not the machine's.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
pub fn uuid_at(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// A random id for a request that came without one.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
pub fn request_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The header of a request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// The caller's id of a request, if it is safe to log; otherwise a random id.
#[must_use]
pub fn request_id_of(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |text: &&str| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    given.filter(fits).map_or_else(request_id, str::to_owned)
}

/// The expected form of an idempotency key.
pub const EXPECTED_KEY: &str = "expected 1 to 255 visible ASCII characters";

/// Whether a text can be an idempotency key.
#[must_use]
pub fn is_idempotency_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Declares a table's own id type, so that ids of different tables cannot be confused.
#[macro_export]
macro_rules! typed_id {
    ($vis:vis $name:ident, $what:literal) => {
        #[doc = concat!("The id of ", $what, ".")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis struct $name($crate::reexport::Uuid);

        impl $name {
            /// A new id, of this instant.
            #[must_use]
            $vis fn new_at(now: $crate::reexport::DateTime<$crate::reexport::Utc>) -> Self {
                Self($crate::id::uuid_at(now))
            }

            /// For the database.
            #[must_use]
            $vis fn as_uuid(self) -> $crate::reexport::Uuid {
                self.0
            }
        }

        impl From<$crate::reexport::Uuid> for $name {
            fn from(uuid: $crate::reexport::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::parse(text).map(Self)
            }
        }

        impl $crate::request::Field for $name {
            const EXPECTED: &'static str = concat!("the id of ", $what, " (a UUID)");
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0.hyphenated(), formatter)
            }
        }
    };
}

/// The text is not an id.
#[derive(Debug, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

/// Reads an id in its only valid spelling: lower case with hyphens.
pub fn parse(text: &str) -> Result<Uuid, NotAnId> {
    let uuid = Uuid::try_parse(text).map_err(|_| NotAnId)?;
    if uuid.hyphenated().to_string() == text { Ok(uuid) } else { Err(NotAnId) }
}

#[cfg(test)]
mod tests {
    use super::*;

    typed_id!(pub(super) ThingId, "a thing");

    #[test]
    fn ids_sort_by_time_and_have_one_spelling() {
        let early = ThingId::new_at(DateTime::from_timestamp(1_000, 0).expect("instant"));
        let late = ThingId::new_at(DateTime::from_timestamp(2_000, 0).expect("instant"));
        assert!(early < late);
        assert_eq!(early.to_string().parse::<ThingId>().expect("id"), early);
        for text in ["", "1", &early.to_string().to_uppercase(), &early.as_uuid().simple().to_string()] {
            assert!(text.parse::<ThingId>().is_err(), "{text}");
        }
    }
}
