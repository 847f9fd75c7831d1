//! A copy of personal data: how long it is kept, its link, and the names of its parts.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::{request::Field, wire_enum};
use rand::Rng;
use ring::digest::{SHA256, digest};

use super::data_request::DataRequestId;

/// How long the link is valid.
pub(crate) const LINK_VALID: TimeDelta = TimeDelta::hours(24);
/// How long the archive is kept.
pub(crate) const KEPT: TimeDelta = TimeDelta::days(30);
/// How long one build may take, before another may begin.
pub(crate) const BUILD_LEASE: TimeDelta = TimeDelta::minutes(15);

wire_enum! {
    /// The state of a copy.
    pub(crate) enum ExportState {
        /// The archive is being written.
        Building = "BUILDING",
        /// The archive is whole.
        Ready = "READY",
        /// The archive is removed.
        Deleted = "DELETED",
    }
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    pub(crate) request_id: DataRequestId,
    pub(crate) state: ExportState,
    pub(crate) build_number: i32,
    pub(crate) link_expire_time: Option<DateTime<Utc>>,
    pub(crate) size: Size,
    pub(crate) download_count: i32,
    pub(crate) ready_time: Option<DateTime<Utc>>,
    pub(crate) delete_time: DateTime<Utc>,
}

/// How much a copy holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: i64,
    pub(crate) files: i64,
    pub(crate) bytes: i64,
}

impl Export {
    /// Whether it may be downloaded: it is whole, and is not to be removed yet. A copy that cannot be removed stays longer.
    pub(crate) fn is_there(&self, now: DateTime<Utc>) -> bool {
        self.state == ExportState::Ready && self.delete_time > now
    }

    /// The key of the archive in the storage.
    pub(crate) fn storage_key(&self) -> String {
        storage_key(self.request_id, self.build_number)
    }
}

/// The key of the archive of a build in the storage.
pub(crate) fn storage_key(request_id: DataRequestId, build_number: i32) -> String {
    format!("exports/{request_id}/{build_number}.zip.age")
}

/// The secret of a link. Only its hash is stored. Its `Debug` shows nothing.
#[derive(Clone)]
pub(crate) struct LinkToken(String);

impl LinkToken {
    pub(crate) fn random() -> Self {
        let secret: [u8; 32] = rand::rng().random();
        Self(BASE64_URL_SAFE_NO_PAD.encode(secret))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256: the secret is random, so it needs no salt.
    pub(crate) fn hash(&self) -> Vec<u8> {
        digest(&SHA256, self.0.as_bytes()).as_ref().to_vec()
    }
}

impl std::fmt::Debug for LinkToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LinkToken(…)")
    }
}

/// The text is not a token.
#[derive(Debug, thiserror::Error)]
#[error("not the token of a link")]
pub(crate) struct NotALinkToken;

impl std::str::FromStr for LinkToken {
    type Err = NotALinkToken;

    fn from_str(text: &str) -> Result<Self, NotALinkToken> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.len() == 43 && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotALinkToken)
        }
    }
}

impl Field for LinkToken {
    const EXPECTED: &'static str = "the token of the link";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made() {
        let token = LinkToken::random();
        assert_eq!(token.as_str().parse::<LinkToken>().expect("a token").hash(), token.hash());
        assert_ne!(token.hash(), LinkToken::random().hash());
        for wrong in ["", "x", &format!("{}/", &token.as_str()[1..])] {
            assert!(wrong.parse::<LinkToken>().is_err());
        }
    }
}
