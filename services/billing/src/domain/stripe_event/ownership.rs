//! Whether an event is ours. Two fields of the envelope decide it before anything else is read. `livemode` decides, because live
//! mode and test mode never mix. The account decides, because an endpoint may receive events of other accounts (Connect,
//! organisations).

use std::{fmt, str::FromStr};

use levqor_runtime::wire_enum;
use serde_json::Value;

use crate::domain::{catalogue::Livemode, stripe_id::StripeId};

/// Stored if the account field cannot be read. The event then counts as another account's.
const UNREADABLE: &str = "unreadable";

/// The modes whose events billing acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActsOn {
    /// Events of one mode.
    Only(Livemode),
    /// Events of both modes.
    Both,
}

impl ActsOn {
    /// Whether billing acts on events with this `livemode`.
    pub(crate) fn includes(self, livemode: bool) -> bool {
        let mode = if livemode { Livemode::Live } else { Livemode::Test };
        match self {
            Self::Only(only) => only == mode,
            Self::Both => true,
        }
    }

    /// The same modes, as values of `livemode`.
    pub(crate) const fn livemodes(self) -> &'static [bool] {
        match self {
            Self::Only(Livemode::Live) => &[true],
            Self::Only(Livemode::Test) => &[false],
            Self::Both => &[true, false],
        }
    }
}

/// The text does not name a choice of modes.
#[derive(Debug)]
pub(crate) struct NotAChoice;

impl FromStr for ActsOn {
    type Err = NotAChoice;

    fn from_str(text: &str) -> Result<Self, NotAChoice> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Self::Only(Livemode::Live)),
            "false" => Ok(Self::Only(Livemode::Test)),
            "both" => Ok(Self::Both),
            _ => Err(NotAChoice),
        }
    }
}

impl fmt::Display for ActsOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only(mode) => {
                write!(formatter, "events of {mode} mode are acted on, all others are ignored")
            }
            Self::Both => formatter.write_str("events of live mode and of test mode are acted on"),
        }
    }
}

wire_enum! {
    /// Why an event is not ours.
    pub(crate) enum NotOurs {
        /// The event happened in another account.
        OtherAccount = "OTHER_ACCOUNT",
        /// The event is of a mode that billing does not act on.
        OtherMode = "OTHER_MODE",
        /// The object is of a mode that billing does not act on, although the event says that it is of ours. No setting makes the
        /// two agree, so such an event is never made pending again.
        ObjectOfOtherMode = "OBJECT_OF_OTHER_MODE",
        /// The checkout session or the subscription sells something that is not ours to sell.
        OtherSale = "OTHER_SALE",
        /// Its person was erased after it happened. It came late, was ignored before, or a restore brought it back.
        SubjectErased = "SUBJECT_ERASED",
    }
}

impl NotOurs {
    /// Why an event is not ours, or `None` if it is ours. An event whose mode cannot be read may be ours, so it is not ignored.
    pub(crate) fn of(livemode: Option<bool>, of_other_account: bool, acts_on: ActsOn) -> Option<Self> {
        if of_other_account {
            Some(Self::OtherAccount)
        } else if livemode.is_none_or(|livemode| acts_on.includes(livemode)) {
            None
        } else {
            Some(Self::OtherMode)
        }
    }
}

/// The other account that an event happened in. Snapshot events name it in `account`; thin events and new snapshot events name it
/// in `context`. Both are absent, null or empty if the account is the endpoint's own.
pub(super) fn other_account(event: &Value) -> Option<StripeId> {
    let named = |field| event.get(field).filter(|value| !value.is_null() && value.as_str() != Some(""));
    let named = named("account").or_else(|| named("context"))?;
    named.as_str().and_then(|text| text.parse().ok()).or_else(|| UNREADABLE.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_that_names_an_account_is_of_another_account() {
        for field in ["account", "context"] {
            for own in [json!({}), json!({field: null}), json!({field: ""})] {
                assert_eq!(other_account(&own), None, "{own}");
            }
            for (named, expected) in [
                (json!("acct_1"), "acct_1"),
                (json!("org_1/acct_1"), "org_1/acct_1"),
                (json!({"id": "acct_1"}), UNREADABLE),
                (json!("a\u{0}b"), UNREADABLE),
                (json!(7), UNREADABLE),
            ] {
                let account = other_account(&json!({field: named}));
                assert_eq!(account.as_ref().map(StripeId::as_str), Some(expected), "{named}");
            }
        }
    }

    #[test]
    fn test_and_live_never_mix() {
        let choice = |text: &str| text.parse::<ActsOn>().expect(text);
        for (text, live, test) in
            [("true", true, false), ("false", false, true), ("both", true, true), ("FALSE", false, true)]
        {
            assert_eq!((choice(text).includes(true), choice(text).includes(false)), (live, test), "{text}");
            for livemode in [true, false] {
                let listed = choice(text).livemodes().contains(&livemode);
                assert_eq!(listed, choice(text).includes(livemode), "{text}");
            }
        }
        assert!("maybe".parse::<ActsOn>().is_err());
        assert_eq!(NotOurs::of(Some(false), false, choice("true")), Some(NotOurs::OtherMode));
        assert_eq!(NotOurs::of(Some(true), true, choice("both")), Some(NotOurs::OtherAccount));
        assert_eq!(NotOurs::of(None, false, choice("true")), None, "it may be ours");
        assert_eq!(NotOurs::of(None, true, choice("true")), Some(NotOurs::OtherAccount));
    }
}
