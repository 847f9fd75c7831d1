//! A data request and its states.

mod state;

use std::{collections::BTreeSet, str::FromStr};

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1 as wire;
use levqor_proto_runtime::v1::Subject as WireSubject;
use levqor_runtime::{email::Email, privacy::Subject, request::Field, typed_id, wire_enum};
use serde::{Deserialize, Serialize};

pub(crate) use self::state::{IllegalStep, State, Step};
use super::{
    asked::{Asked, Correction, Declared},
    time_limit,
};

typed_id!(pub(crate) DataRequestId, "a data request");

wire_enum! {
    /// A right over personal data.
    pub(crate) enum Entitlement: wire::Right {
        /// A copy (GDPR, article 15).
        Access = "ACCESS",
        /// A copy that machines read (GDPR, article 20).
        Portability = "PORTABILITY",
        /// The erasure (GDPR, article 17).
        Erasure = "ERASURE",
        /// The correction (GDPR, article 16).
        Rectification = "RECTIFICATION",
        /// The restriction of the processing (GDPR, article 18).
        Restriction = "RESTRICTION",
        /// The objection to a use of the data, or the end of one (GDPR, article 21).
        Objection = "OBJECTION",
        /// The withdrawal of consents (GDPR, article 7(3)).
        ConsentWithdrawal = "CONSENT_WITHDRAWAL",
    }
}

impl Entitlement {
    /// Whether it has effect as soon as the person is known, without work and without a decision.
    pub(crate) const fn is_declaration(self) -> bool {
        matches!(self, Self::Objection | Self::ConsentWithdrawal)
    }
}

wire_enum! {
    /// How the person proves who they are.
    pub(crate) enum Origin {
        /// They are signed in.
        Account = "ACCOUNT",
        /// By a code that goes to their address.
        Mail = "MAIL",
        /// Staff know them.
        Staff = "STAFF",
    }
}

/// Why something was decided, such as the extension of the time to answer.
#[derive(Debug, Clone)]
pub(crate) struct Reasons(String);

impl Reasons {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text itself.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// The text is empty or too long.
#[derive(Debug, thiserror::Error)]
#[error("no reasons")]
pub(crate) struct NoReasons;

impl FromStr for Reasons {
    type Err = NoReasons;

    fn from_str(text: &str) -> Result<Self, NoReasons> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= 1_000;
        if fits { Ok(Self(text.to_owned())) } else { Err(NoReasons) }
    }
}

impl Field for Reasons {
    const EXPECTED: &'static str = "reasons, in 1 to 1,000 characters";
}

/// What identifies the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Identifiers {
    pub(crate) subs: BTreeSet<String>,
    pub(crate) emails: BTreeSet<String>,
    pub(crate) stripe_customers: BTreeSet<String>,
}

impl From<Identifiers> for WireSubject {
    fn from(known: Identifiers) -> Self {
        Self {
            subs: known.subs.into_iter().collect(),
            emails: known.emails.into_iter().collect(),
            stripe_customers: known.stripe_customers.into_iter().collect(),
        }
    }
}

impl From<WireSubject> for Identifiers {
    fn from(subject: WireSubject) -> Self {
        Self {
            subs: subject.subs.into_iter().collect(),
            emails: subject.emails.into_iter().collect(),
            stripe_customers: subject.stripe_customers.into_iter().collect(),
        }
    }
}

impl From<Identifiers> for Subject {
    fn from(known: Identifiers) -> Self {
        let Identifiers { subs, emails, stripe_customers } = known;
        Self { subs, emails, vendor_ids: stripe_customers }
    }
}

impl From<Subject> for Identifiers {
    fn from(subject: Subject) -> Self {
        let Subject { subs, emails, vendor_ids: stripe_customers } = subject;
        Self { subs, emails, stripe_customers }
    }
}

/// A data request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataRequest {
    pub(crate) id: DataRequestId,
    pub(crate) owner_sub: Option<String>,
    pub(crate) email: Email,
    pub(crate) entitlement: Entitlement,
    pub(crate) origin: Origin,
    pub(crate) state: State,
    pub(crate) subject: Identifiers,
    pub(crate) obstacles: Vec<String>,
    pub(crate) correction: Correction,
    pub(crate) declared: Declared,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) due_time: Option<DateTime<Utc>>,
    pub(crate) erase_time: Option<DateTime<Utc>>,
    pub(crate) finish_time: Option<DateTime<Utc>>,
}

impl DataRequest {
    /// A request of the person with this account and verified address.
    pub(crate) fn of_account(sub: &str, email: Email, entitlement: Entitlement, now: DateTime<Utc>) -> Self {
        let mut request = Self::of_mail(email, entitlement, now);
        request.owner_sub = Some(sub.to_owned());
        request.subject.subs.insert(sub.to_owned());
        request.origin = Origin::Account;
        request.state = State::of_proven(entitlement);
        request.due_time = Some(time_limit::due(now));
        request
    }

    /// A request for this address, which is not proven yet.
    pub(crate) fn of_mail(email: Email, entitlement: Entitlement, now: DateTime<Utc>) -> Self {
        let emails = [email.as_str().to_owned()].into();
        Self {
            id: DataRequestId::new_at(now),
            owner_sub: None,
            email,
            entitlement,
            origin: Origin::Mail,
            state: State::AwaitingCode,
            subject: Identifiers { emails, ..Identifiers::default() },
            obstacles: Vec::new(),
            correction: Correction::default(),
            declared: Declared::default(),
            create_time: now,
            due_time: None,
            erase_time: None,
            finish_time: None,
        }
    }

    /// A request that staff took down, from a person whom they know. Its time runs from when it came.
    pub(crate) fn of_staff(email: Email, entitlement: Entitlement, receipt: DateTime<Utc>) -> Self {
        let mut request = Self::of_mail(email, entitlement, receipt);
        request.origin = Origin::Staff;
        request.state = State::of_proven(entitlement);
        request.due_time = Some(time_limit::due(receipt));
        request
    }

    /// The same request, with its corrections or declarations.
    pub(crate) fn asking(mut self, asked: Asked) -> Self {
        self.correction = asked.correction;
        self.declared = asked.declared;
        self
    }

    /// Extends the time to answer, before it is over.
    pub(crate) fn extend(&mut self, now: DateTime<Utc>) -> Result<(), IllegalStep> {
        let due = self.due_time.filter(|due| !self.state.is_over() && *due > now);
        self.due_time = Some(time_limit::extended(due.ok_or(IllegalStep { step: Step::Extend })?));
        Ok(())
    }

    /// Takes a step.
    pub(crate) fn take(&mut self, step: Step, now: DateTime<Utc>) -> Result<(), IllegalStep> {
        self.state = self.state.after(step, self.entitlement)?;
        match step {
            Step::Confirm => self.due_time = Some(time_limit::due(now)),
            Step::Approve => self.erase_time = Some(now + time_limit::GRACE),
            Step::Cancel if self.due_time.is_none() => self.due_time = Some(time_limit::due(now)),
            Step::Erase => self.obstacles.clear(),
            Step::Build
            | Step::Accept
            | Step::Wait
            | Step::Finish
            | Step::Cancel
            | Step::Expire
            | Step::Extend
            | Step::Refuse => {}
        }
        self.finish_time = self.state.is_over().then_some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    #[test]
    fn a_copy_and_an_erasure_pass_through_different_states() {
        let email = || "ada@example.com".parse::<Email>().expect("an address");
        let mut copy = DataRequest::of_mail(email(), Entitlement::Access, now());
        for (step, state) in
            [(Step::Confirm, State::Received), (Step::Build, State::InProgress), (Step::Finish, State::Done)]
        {
            copy.take(step, now()).expect("a step");
            assert_eq!(copy.state, state);
        }
        assert!(copy.due_time.is_some() && copy.finish_time.is_some() && copy.erase_time.is_none());
        let mut erasure = DataRequest::of_account("ada", email(), Entitlement::Erasure, now());
        assert_eq!(erasure.subject.subs.len() + erasure.subject.emails.len(), 2);
        for (step, state) in [
            (Step::Approve, State::Scheduled),
            (Step::Wait, State::Waiting),
            (Step::Erase, State::InProgress),
            (Step::Erase, State::InProgress),
            (Step::Finish, State::Done),
        ] {
            erasure.take(step, now()).expect("a step");
            assert_eq!(erasure.state, state);
        }
        assert_eq!(erasure.erase_time, Some(now() + time_limit::GRACE));
    }

    #[test]
    fn staff_accept_a_correction_and_a_restriction_and_nothing_else() {
        let email = || "ada@example.com".parse::<Email>().expect("an address");
        for entitlement in Entitlement::ALL {
            let mut request = DataRequest::of_staff(email(), entitlement, now());
            let is_decided = matches!(entitlement, Entitlement::Rectification | Entitlement::Restriction);
            assert_eq!(request.take(Step::Accept, now()).is_ok(), is_decided, "{entitlement:?}");
            if is_decided {
                assert_eq!((request.state, request.erase_time), (State::InProgress, None));
                request.take(Step::Finish, now()).expect("finished");
            }
        }
    }

    #[test]
    fn a_declaration_waits_for_its_code_only() {
        for entitlement in [Entitlement::Objection, Entitlement::ConsentWithdrawal] {
            let email = "ada@example.com".parse().expect("an address");
            let mut request = DataRequest::of_mail(email, entitlement, now());
            assert!(request.take(Step::Finish, now()).is_err(), "the code has not come");
            for step in [Step::Confirm, Step::Finish] {
                request.take(step, now()).expect("a step");
            }
            assert_eq!((request.state, request.finish_time), (State::Done, Some(now())));
        }
    }
}
