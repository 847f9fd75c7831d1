//! A person who gets news of incidents by mail, after a confirmation by mail.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::{email::Email, typed_id};

typed_id!(pub(crate) SubscriberId, "a subscriber");

/// How long the link of a confirmation is valid.
pub(crate) const VALID: TimeDelta = TimeDelta::hours(24);
/// How many mails that ask for a confirmation an address gets at most within `VALID`.
const MOST_QUESTIONS: i32 = 3;

/// A subscriber.
pub(crate) struct Subscriber {
    pub(crate) id: SubscriberId,
    pub(crate) email: Email,
    /// The token of the links: it confirms, and it ends the subscription.
    pub(crate) token: String,
    /// How many mails asked for a confirmation, each within a day of the one before.
    pub(crate) ask_count: i32,
    /// When the last one asked.
    pub(crate) ask_time: DateTime<Utc>,
    /// When the address confirmed. None until then.
    pub(crate) confirm_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
}

/// The link was valid for 24 hours, and was not used in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link was valid for 24 hours; enter your address again to get a new one")]
pub(crate) struct Expired;

impl Subscriber {
    /// Counts a question. Returns false if the address must not be asked: it has confirmed, or was asked often.
    pub(crate) fn ask(&mut self, now: DateTime<Utc>) -> bool {
        if now - self.ask_time >= VALID {
            (self.ask_count, self.ask_time) = (0, now);
        }
        if self.confirm_time.is_some() || self.ask_count >= MOST_QUESTIONS {
            return false;
        }
        self.ask_count += 1;
        self.ask_time = now;
        true
    }

    /// Confirms the subscription. Returns false if it is confirmed already.
    pub(crate) fn confirm(&mut self, now: DateTime<Utc>) -> Result<bool, Expired> {
        if self.confirm_time.is_some() {
            return Ok(false);
        }
        if now - self.ask_time >= VALID {
            return Err(Expired);
        }
        self.confirm_time = Some(now);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> Subscriber {
        Subscriber {
            id: SubscriberId::new_at(DateTime::UNIX_EPOCH),
            email: "ada@example.com".parse().expect("an address"),
            token: String::new(),
            ask_count: 0,
            ask_time: DateTime::UNIX_EPOCH,
            confirm_time: None,
            create_time: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_address_is_asked_three_times_a_day_and_not_after_it_confirmed() {
        let mut subscriber = new();
        let hour = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        assert_eq!([0, 1, 2, 3].map(|hours| subscriber.ask(hour(hours))), [true, true, true, false]);
        assert!(subscriber.ask(hour(26)) && subscriber.ask_count == 1, "a day after the last one");
        assert_eq!(subscriber.confirm(hour(49)), Ok(true), "the last link is valid for a day");
        assert!(!subscriber.ask(hour(50)) && !subscriber.ask(hour(99)));
    }

    #[test]
    fn a_subscription_is_confirmed_once_and_in_time() {
        let mut subscriber = new();
        let late = DateTime::UNIX_EPOCH + VALID;
        assert_eq!(subscriber.confirm(late), Err(Expired));
        assert_eq!(subscriber.confirm(late - TimeDelta::seconds(1)), Ok(true));
        assert_eq!(subscriber.confirm(late + VALID), Ok(false), "it stays confirmed");
    }
}
