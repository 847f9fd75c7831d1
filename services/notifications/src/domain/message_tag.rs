//! The tag that a mail has at the provider. It names the message and its round, so an event of the provider says which message the
//! mail is, even if the provider's answer was lost. It holds no personal data.

use std::{fmt, str::FromStr};

use super::message::{Mail, MessageId};

/// The name of the tag.
pub const NAME: &str = "levqor_message";

/// The value of the tag: `<message id>_<round>`. Providers allow letters, digits, `_` and `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTag {
    /// The message.
    pub message_id: MessageId,
    /// The round of the message in which the mail was handed over.
    pub round: i32,
}

impl From<&Mail> for MessageTag {
    fn from(mail: &Mail) -> Self {
        Self { message_id: mail.message_id, round: mail.round }
    }
}

impl fmt::Display for MessageTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.message_id, self.round)
    }
}

/// The text is not a tag of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a tag of ours")]
pub struct NotATag;

impl FromStr for MessageTag {
    type Err = NotATag;

    fn from_str(text: &str) -> Result<Self, NotATag> {
        let (message_id, round) = text.split_once('_').ok_or(NotATag)?;
        let message_id = message_id.parse().map_err(|_| NotATag)?;
        Ok(Self { message_id, round: round.parse().map_err(|_| NotATag)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_only_characters_that_providers_allow_and_is_read_back() {
        let text = "0190b2c4-0000-7000-8000-000000000000_2";
        let tag: MessageTag = text.parse().expect("a tag");
        assert_eq!((tag.round, tag.to_string().as_str()), (2, text));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        for text in ["", "_", "1_1", "0190b2c4-0000-7000-8000-000000000000", "confirm_email"] {
            assert!(text.parse::<MessageTag>().is_err(), "{text}");
        }
    }
}
