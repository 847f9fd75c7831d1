//! Whose an event is. Two fields of the envelope decide it before anything else is read: `livemode`, because test and live
//! never mix, and the account, because an endpoint may hear of other accounts too (Connect, organisations).

use std::{fmt, str::FromStr};

use levqor_runtime::wire_enum;
use serde_json::Value;

use crate::domain::{catalogue::Livemode, stripe_id::StripeId};

/// Stored when the account field cannot be read; the event is then treated as another account's.
const UNREADABLE: &str = "unreadable";

/// The modes whose events are acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActsOn {
    /// Events of one mode.
    Only(Livemode),
    /// Events of both modes.
    Both,
}

impl ActsOn {
    /// Whether events of live mode, or of test mode, are acted on.
    pub(crate) fn includes(self, livemode: bool) -> bool {
        let mode = if livemode { Livemode::Live } else { Livemode::Test };
        match self {
            Self::Only(only) => only == mode,
            Self::Both => true,
        }
    }

    /// The modes that are acted on, as `livemode` writes them.
    pub(crate) const fn livemodes(self) -> &'static [bool] {
        match self {
            Self::Only(Livemode::Live) => &[true],
            Self::Only(Livemode::Test) => &[false],
            Self::Both => &[true, false],
        }
    }
}

/// The text is not a choice of modes.
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
        /// It happened in another account.
        OtherAccount = "OTHER_ACCOUNT",
        /// It is of the mode that is not acted on.
        OtherMode = "OTHER_MODE",
        /// Its object is of the mode that is not acted on, although the event itself claims to be of ours. No change of the
        /// settings makes the two agree, so it is not taken up again.
        ObjectOfOtherMode = "OBJECT_OF_OTHER_MODE",
    }
}

impl NotOurs {
    /// Why an event of this mode, of another account or not, is not ours, if so. An event whose mode cannot be read may be
    /// ours: it is not ignored.
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

/// The other account that an event happened in. Snapshot events name it as `account`, thin ones (and new snapshot ones) as
/// `context`; both are absent, null or empty where the account is the endpoint's own.
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
    fn an_account_that_is_named_is_another_one_however_it_is_spelt() {
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
