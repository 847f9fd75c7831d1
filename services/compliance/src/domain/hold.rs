//! Holds: legal holds that staff place, and restrictions of processing that people ask for (GDPR, article 18).

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_compliance::v1 as wire;
use levqor_proto_runtime::v1::ApplyHoldRequest;
use levqor_runtime::{
    privacy::{HoldChange, HoldKind, LEGAL_HOLD, Subject},
    timestamp, typed_id, wire_enum,
};
use uuid::Uuid;

use super::data_request::{DataRequest, DataRequestId, Identifiers};

typed_id!(pub(crate) HoldId, "a legal hold or a restriction");

/// How long before the end of a restriction the person gets a mail about that end.
pub(crate) const NOTICE: TimeDelta = TimeDelta::days(7);

wire_enum! {
    /// The state of a hold.
    pub(crate) enum HoldState: wire::HoldState {
        /// The hold is in force, but may not have reached all services yet.
        Placing = "PLACING",
        /// The hold is in force, and every service knows this.
        Standing = "STANDING",
        /// The hold has ended, but its end may not have reached all services yet.
        Releasing = "RELEASING",
        /// The hold has ended, and every service knows this.
        Released = "RELEASED",
    }
}

impl HoldState {
    /// Whether the hold is in force.
    pub(crate) const fn stands(self) -> bool {
        matches!(self, Self::Placing | Self::Standing)
    }

    /// Whether the last change of the hold may not have reached all services yet.
    pub(crate) const fn is_untold(self) -> bool {
        matches!(self, Self::Placing | Self::Releasing)
    }
}

/// The hold has ended, or its end is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hold has ended, or its end is announced")]
pub(crate) struct HoldOver;

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    pub(crate) kind: HoldKind,
    pub(crate) state: HoldState,
    /// The reference of the matter. Empty if there is none.
    pub(crate) matter: String,
    pub(crate) reason: Option<String>,
    pub(crate) data_request_id: Option<DataRequestId>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) change_time: DateTime<Utc>,
    pub(crate) lift_time: Option<DateTime<Utc>>,
    pub(crate) lift_reasons: Option<String>,
    pub(crate) release_time: Option<DateTime<Utc>>,
}

impl Hold {
    /// A legal hold.
    pub(crate) fn legal(matter: &str, reason: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: HoldId::new_at(now),
            kind: HoldKind::LegalHold,
            state: HoldState::Placing,
            matter: matter.to_owned(),
            reason: Some(reason.to_owned()),
            data_request_id: None,
            create_time: now,
            change_time: now,
            lift_time: None,
            lift_reasons: None,
            release_time: None,
        }
    }

    /// The restriction that a person asked for.
    pub(crate) fn restriction(request: &DataRequest, now: DateTime<Utc>) -> Self {
        Self {
            kind: HoldKind::Restriction,
            reason: None,
            data_request_id: Some(request.id),
            ..Self::legal("", "", now)
        }
    }

    /// Announces the end of a restriction.
    pub(crate) fn lift(&mut self, reasons: &str, now: DateTime<Utc>) -> Result<(), HoldOver> {
        if !self.state.stands() || self.lift_time.is_some() {
            return Err(HoldOver);
        }
        self.lift_time = Some(now + NOTICE);
        self.lift_reasons = Some(reasons.to_owned());
        Ok(())
    }

    /// Ends the hold.
    pub(crate) fn release(&mut self, now: DateTime<Utc>) -> Result<(), HoldOver> {
        if !self.state.stands() {
            return Err(HoldOver);
        }
        self.state = HoldState::Releasing;
        // Services take the later change: this one.
        self.change_time = now.max(self.change_time + TimeDelta::microseconds(1));
        Ok(())
    }

    /// Notes that every service knows of the last change.
    pub(crate) fn know(&mut self, now: DateTime<Utc>) {
        match self.state {
            HoldState::Placing => self.state = HoldState::Standing,
            HoldState::Releasing => {
                self.state = HoldState::Released;
                self.release_time = Some(now);
            }
            HoldState::Standing | HoldState::Released => {}
        }
    }

    /// The last change, for this service.
    pub(crate) fn change(&self, subject: Subject) -> HoldChange {
        HoldChange {
            id: self.id.as_uuid(),
            kind: self.kind,
            subject,
            stands: self.state.stands(),
            change_time: self.change_time,
        }
    }

    /// The last change, for another service.
    pub(crate) fn told(&self, service: &str, known: Identifiers) -> ApplyHoldRequest {
        ApplyHoldRequest {
            service: service.to_owned(),
            hold_id: self.id.to_string(),
            kind: self.kind.into(),
            subject: Some(known.into()),
            stands: self.state.stands(),
            change_time: Some(timestamp(self.change_time)),
        }
    }

    /// The obstacle that a legal hold is for an erasure.
    pub(crate) fn obstacle(id: Uuid) -> String {
        format!("{LEGAL_HOLD} {}", id.hyphenated())
    }
}

/// A hold, and the people whose rows it is about.
pub(crate) struct HoldOfPeople {
    pub(crate) hold: Hold,
    pub(crate) emails: Vec<String>,
    pub(crate) subs: Vec<String>,
}

impl From<HoldOfPeople> for wire::LegalHold {
    fn from(of_people: HoldOfPeople) -> Self {
        let HoldOfPeople { hold, emails, subs } = of_people;
        Self {
            legal_hold_id: hold.id.to_string(),
            matter: hold.matter,
            reason: hold.reason.unwrap_or_default(),
            emails,
            subs,
            state: hold.state.into(),
            create_time: Some(timestamp(hold.create_time)),
            release_time: hold.release_time.map(timestamp),
        }
    }
}

impl From<HoldOfPeople> for wire::Restriction {
    fn from(of_people: HoldOfPeople) -> Self {
        let HoldOfPeople { hold, emails, .. } = of_people;
        Self {
            restriction_id: hold.id.to_string(),
            data_request_id: hold.data_request_id.map(|id| id.to_string()).unwrap_or_default(),
            emails,
            state: hold.state.into(),
            create_time: Some(timestamp(hold.create_time)),
            lift_time: hold.lift_time.map(timestamp),
            lift_reasons: hold.lift_reasons.unwrap_or_default(),
            release_time: hold.release_time.map(timestamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_released_once_and_its_release_is_later_than_its_placing() {
        let now = DateTime::UNIX_EPOCH;
        let mut hold = Hold::legal("case-7", "A claim.", now);
        assert!(hold.state.stands() && hold.state.is_untold());
        hold.know(now);
        assert_eq!(hold.state, HoldState::Standing);
        hold.release(now).expect("it stands");
        assert!(!hold.state.stands() && hold.change_time > hold.create_time);
        assert_eq!(hold.release(now), Err(HoldOver));
        hold.know(now);
        assert_eq!((hold.state, hold.release_time), (HoldState::Released, Some(now)));
    }

    #[test]
    fn a_restriction_ends_seven_days_after_the_mail_to_its_person() {
        let now = DateTime::UNIX_EPOCH;
        let mut hold = Hold { kind: HoldKind::Restriction, ..Hold::legal("", "", now) };
        hold.lift("The data is right.", now).expect("it stands");
        assert_eq!(hold.lift_time, Some(now + NOTICE));
        assert!(hold.state.stands(), "until then it stands");
        assert_eq!(hold.lift("Again.", now), Err(HoldOver));
    }
}
