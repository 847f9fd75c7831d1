//! A complaint about the use of personal data (Data Protection Act 2018, section 164A): acknowledged within 30 days, with an outcome
//! without undue delay.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1 as wire;
use levqor_runtime::{email::Email, timestamp, typed_id, wire_enum};

use super::time_limit;

typed_id!(pub(crate) PrivacyComplaintId, "a complaint about personal data");

wire_enum! {
    /// The state of a complaint.
    pub(crate) enum ComplaintState: wire::privacy_complaint::State {
        /// It is not acknowledged.
        Received = "RECEIVED",
        /// It is acknowledged, and looked into.
        Acknowledged = "ACKNOWLEDGED",
        /// It has its outcome.
        Answered = "ANSWERED",
    }
}

wire_enum! {
    /// How a complaint came.
    pub(crate) enum ComplaintOrigin: wire::privacy_complaint::Origin {
        /// From a person who is signed in.
        Account = "ACCOUNT",
        /// Staff entered it.
        Staff = "STAFF",
        /// By the form for complaints of support.
        Support = "SUPPORT",
    }
}

wire_enum! {
    /// What happens to a complaint.
    pub(crate) enum ComplaintStep {
        /// The person knows that it came.
        Acknowledge = "acknowledge it",
        /// The person knows how far it is.
        TellProgress = "tell its progress by mail",
        /// The person knows the outcome.
        Answer = "answer it",
    }
}

/// The step is not possible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the complaint does not allow to {what}", what = .step.as_str())]
pub(crate) struct IllegalComplaintStep {
    pub(crate) step: ComplaintStep,
}

/// Who complains, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaining {
    pub(crate) owner_sub: Option<String>,
    /// Without one, staff write letters.
    pub(crate) email: Option<Email>,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrivacyComplaint {
    pub(crate) id: PrivacyComplaintId,
    pub(crate) of: Complaining,
    pub(crate) outcome: Option<String>,
    pub(crate) origin: ComplaintOrigin,
    pub(crate) state: ComplaintState,
    pub(crate) receive_time: DateTime<Utc>,
    /// The latest time for the acknowledgement.
    pub(crate) due_time: DateTime<Utc>,
    /// How many shares of the 30 days operators got a notice about.
    pub(crate) alerts: i32,
    pub(crate) acknowledge_time: Option<DateTime<Utc>>,
    /// When the person last got a mail about the progress of the complaint.
    pub(crate) progress_time: Option<DateTime<Utc>>,
    pub(crate) answer_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
}

impl PrivacyComplaint {
    /// A complaint that came at `receive_time`. With an address it is acknowledged, because the mail goes out in the same transaction.
    pub(crate) fn received(
        id: PrivacyComplaintId,
        of: Complaining,
        origin: ComplaintOrigin,
        [receive_time, now]: [DateTime<Utc>; 2],
    ) -> Self {
        let by_mail = of.email.is_some();
        Self {
            id,
            of,
            outcome: None,
            origin,
            state: if by_mail { ComplaintState::Acknowledged } else { ComplaintState::Received },
            receive_time,
            due_time: time_limit::acknowledge_due(receive_time),
            alerts: 0,
            acknowledge_time: by_mail.then_some(now),
            progress_time: None,
            answer_time: None,
            create_time: now,
        }
    }

    /// Leaves the acknowledgement to staff: no mail goes out.
    pub(crate) fn leave_to_staff(&mut self) {
        self.state = ComplaintState::Received;
        self.acknowledge_time = None;
    }

    /// Notes that the letter of acknowledgement went out.
    pub(crate) fn acknowledge(&mut self, time: DateTime<Utc>) -> Result<(), IllegalComplaintStep> {
        if self.state != ComplaintState::Received {
            return Err(IllegalComplaintStep { step: ComplaintStep::Acknowledge });
        }
        self.state = ComplaintState::Acknowledged;
        self.acknowledge_time = Some(time);
        Ok(())
    }

    /// Notes that the person got a mail about its progress.
    pub(crate) fn tell_progress(&mut self, now: DateTime<Utc>) -> Result<(), IllegalComplaintStep> {
        if self.state != ComplaintState::Acknowledged || self.of.email.is_none() {
            return Err(IllegalComplaintStep { step: ComplaintStep::TellProgress });
        }
        self.progress_time = Some(now);
        Ok(())
    }

    /// Gives it its outcome. An outcome within the 30 days is also an acknowledgement.
    pub(crate) fn answer(&mut self, outcome: String, now: DateTime<Utc>) -> Result<(), IllegalComplaintStep> {
        if self.state == ComplaintState::Answered {
            return Err(IllegalComplaintStep { step: ComplaintStep::Answer });
        }
        self.state = ComplaintState::Answered;
        self.acknowledge_time = self.acknowledge_time.or(Some(now));
        self.answer_time = Some(now);
        self.outcome = Some(outcome);
        Ok(())
    }
}

impl From<PrivacyComplaint> for wire::PrivacyComplaint {
    fn from(complaint: PrivacyComplaint) -> Self {
        Self {
            privacy_complaint_id: complaint.id.to_string(),
            state: complaint.state.into(),
            origin: complaint.origin.into(),
            email: complaint.of.email.map(|email| email.as_str().to_owned()).unwrap_or_default(),
            name: complaint.of.name,
            text: complaint.of.text,
            outcome: complaint.outcome.unwrap_or_default(),
            receive_time: Some(timestamp(complaint.receive_time)),
            acknowledge_due_time: Some(timestamp(complaint.due_time)),
            acknowledge_time: complaint.acknowledge_time.map(timestamp),
            answer_time: complaint.answer_time.map(timestamp),
            create_time: Some(timestamp(complaint.create_time)),
            progress_time: complaint.progress_time.map(timestamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(email: Option<&str>) -> PrivacyComplaint {
        let of = Complaining {
            owner_sub: None,
            email: email.map(|email| email.parse().expect("an address")),
            name: String::new(),
            text: "You sent my details to somebody else.".to_owned(),
        };
        let now = DateTime::UNIX_EPOCH;
        PrivacyComplaint::received(PrivacyComplaintId::new_at(now), of, ComplaintOrigin::Staff, [now, now])
    }

    #[test]
    fn a_mail_acknowledges_at_once_and_a_letter_by_staff() {
        let now = DateTime::UNIX_EPOCH;
        let mut by_mail = complaint(Some("ada@example.com"));
        assert_eq!(by_mail.state, ComplaintState::Acknowledged);
        assert!(by_mail.acknowledge(now).is_err(), "it is acknowledged");
        by_mail.tell_progress(now).expect("told");
        let mut letter = complaint(None);
        assert_eq!((letter.state, letter.acknowledge_time), (ComplaintState::Received, None));
        letter.acknowledge(now).expect("acknowledged");
        assert!(letter.tell_progress(now).is_err(), "it has no address");
        letter.answer("We are sorry.".to_owned(), now).expect("answered");
        assert!(letter.answer("Again.".to_owned(), now).is_err() && letter.acknowledge(now).is_err());
    }

    #[test]
    fn an_outcome_is_an_acknowledgement_too() {
        let mut letter = complaint(None);
        letter.answer("We are sorry.".to_owned(), DateTime::UNIX_EPOCH).expect("answered");
        assert_eq!(letter.acknowledge_time, letter.answer_time);
        assert_eq!(letter.state, ComplaintState::Answered);
    }
}
