//! The life of a notice on one channel. Telegram, Slack and WhatsApp know no idempotency keys, so an attempt without an answer
//! cannot be repeated safely. But a notice twice is better than none: such an attempt is repeated, until three attempts had no
//! answer. So a notice is sent at most three times, and a channel that never answers is not called for ever.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// The state of a delivery.
    pub enum DeliveryState: wire::operator_delivery::State {
        /// The channel has not taken the notice yet.
        Pending = "PENDING",
        /// The channel took it.
        Sent = "SENT",
        /// The channel did not take it in three days, or was turned off.
        Failed = "FAILED",
        /// The channel may have taken it.
        InDoubt = "IN_DOUBT",
    }
}

/// After this many attempts without an answer, no further attempt is made.
pub const MOST_UNANSWERED: i32 = 3;

/// How long an attempt can be under way: longer than the channel's client waits.
pub const UNDER_WAY: TimeDelta = TimeDelta::seconds(30);

/// A delivery, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorDelivery {
    /// The state.
    pub state: DeliveryState,
    /// When the attempt began that has no outcome yet.
    pub begin_time: Option<DateTime<Utc>>,
    /// How many attempts had no answer.
    pub unanswered: i32,
    /// The channel's evidence. Only a sent notice has one.
    pub receipt: Option<String>,
    /// Why it was not taken, or why that is in doubt.
    pub failure: Option<String>,
}

/// What to do with a delivery.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Call the channel.
    Call,
    /// Another attempt is under way. It has at most this time left.
    Wait(TimeDelta),
    /// Nothing: it is settled.
    Nothing,
}

impl OperatorDelivery {
    /// Decides what to do, and begins an attempt if one is needed. A call that an operator replays after the delivery failed
    /// begins again.
    pub fn begin(&mut self, now: DateTime<Utc>) -> Step {
        match self.state {
            DeliveryState::Sent | DeliveryState::InDoubt => return Step::Nothing,
            DeliveryState::Pending | DeliveryState::Failed => {}
        }
        if let Some(begun) = self.begin_time {
            let left = begun + UNDER_WAY - now;
            if left > TimeDelta::zero() {
                return Step::Wait(left);
            }
            self.unanswered("its outcome was never stored");
            if self.state == DeliveryState::InDoubt {
                return Step::Nothing;
            }
        }
        (self.state, self.failure, self.begin_time) = (DeliveryState::Pending, None, Some(now));
        Step::Call
    }

    /// The channel took the notice.
    pub fn sent(&mut self, receipt: String) {
        (self.state, self.receipt, self.failure) = (DeliveryState::Sent, Some(receipt), None);
        self.begin_time = None;
    }

    /// The channel certainly did not take the notice. It is tried again.
    pub fn not_taken(&mut self, why: &str) {
        (self.failure, self.begin_time) = (Some(why.to_owned()), None);
    }

    /// The channel may have taken the notice.
    pub fn unanswered(&mut self, why: &str) {
        self.unanswered += 1;
        self.not_taken(why);
        if self.unanswered >= MOST_UNANSWERED {
            self.state = DeliveryState::InDoubt;
        }
    }

    /// No further attempt is made.
    pub fn give_up(&mut self, why: String) {
        if self.state == DeliveryState::Pending {
            self.state = if self.unanswered > 0 { DeliveryState::InDoubt } else { DeliveryState::Failed };
            (self.failure, self.begin_time) = (Some(why), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> OperatorDelivery {
        let state = DeliveryState::Pending;
        OperatorDelivery { state, begin_time: None, unanswered: 0, receipt: None, failure: None }
    }

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn a_notice_is_sent_at_most_three_times() {
        let mut delivery = new();
        for attempt in 1..=MOST_UNANSWERED {
            assert_eq!(delivery.begin(NOW), Step::Call, "{attempt}");
            delivery.unanswered("no answer in time");
        }
        assert_eq!((delivery.state, delivery.begin(NOW)), (DeliveryState::InDoubt, Step::Nothing));
    }

    #[test]
    fn an_attempt_whose_process_was_killed_counts_as_unanswered() {
        let mut delivery = new();
        assert_eq!(delivery.begin(NOW), Step::Call);
        assert_eq!(delivery.begin(NOW), Step::Wait(UNDER_WAY));
        assert_eq!(delivery.begin(NOW + UNDER_WAY), Step::Call);
        assert_eq!(delivery.unanswered, 1);
        delivery.not_taken("401");
        delivery.give_up("given up".to_owned());
        assert_eq!(delivery.state, DeliveryState::InDoubt, "it may have been taken");
    }

    #[test]
    fn a_failed_notice_is_retried_and_a_sent_one_is_not() {
        let mut delivery = new();
        delivery.begin(NOW);
        delivery.not_taken("403");
        delivery.give_up("given up".to_owned());
        assert_eq!(delivery.state, DeliveryState::Failed);
        assert_eq!(delivery.begin(NOW), Step::Call);
        delivery.sent("7".to_owned());
        assert_eq!((delivery.begin(NOW), delivery.failure), (Step::Nothing, None));
    }
}
