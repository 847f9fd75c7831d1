//! A breach of personal data (GDPR, articles 33 and 34), from the moment when it is known to its end.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1 as wire;
use levqor_runtime::{timestamp, typed_id, wire_enum};

use super::time_limit::BREACH_NOTICE;

typed_id!(pub(crate) BreachId, "a breach");

wire_enum! {
    /// The state of a breach.
    pub(crate) enum BreachState: wire::breach::State {
        /// It is not decided whether to notify the regulator.
        Open = "OPEN",
        /// The regulator was notified.
        Notified = "NOTIFIED",
        /// The regulator needs no notice.
        NotNotifiable = "NOT_NOTIFIABLE",
        /// Everything is done.
        Closed = "CLOSED",
    }
}

wire_enum! {
    /// What happens to a breach.
    pub(crate) enum BreachStep {
        /// Its known facts change.
        Update = "update it",
        /// The regulator was notified.
        Notify = "record a notice to the regulator",
        /// The regulator needs no notice.
        Exempt = "exempt it",
        /// Affected people were notified.
        TellPeople = "record a notice to people",
        /// Everything is done.
        Close = "close it",
    }
}

/// The step is not possible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the breach does not allow to {what}", what = .step.as_str())]
pub(crate) struct IllegalBreachStep {
    pub(crate) step: BreachStep,
}

/// The known facts of a breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) description: String,
    pub(crate) data_kinds: Vec<String>,
    /// 0: not known yet.
    pub(crate) people_count: i64,
    pub(crate) consequences: String,
    pub(crate) measures: String,
}

/// The notice to the regulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegulatorNotice {
    pub(crate) time: DateTime<Utc>,
    pub(crate) reference: Option<String>,
    /// Why it came late.
    pub(crate) delay_reasons: Option<String>,
}

/// The decision that the regulator needs no notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exemption {
    pub(crate) reasons: String,
    pub(crate) time: DateTime<Utc>,
}

/// The notice to affected people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeopleNotice {
    pub(crate) time: DateTime<Utc>,
    pub(crate) count: i64,
    pub(crate) means: String,
}

/// A breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) id: BreachId,
    pub(crate) state: BreachState,
    pub(crate) facts: Facts,
    pub(crate) aware_time: DateTime<Utc>,
    pub(crate) due_time: DateTime<Utc>,
    /// For how many shares of the 72 hours operators got a notice.
    pub(crate) alerts: i32,
    pub(crate) regulator_notice: Option<RegulatorNotice>,
    pub(crate) exemption: Option<Exemption>,
    pub(crate) people_notice: Option<PeopleNotice>,
    /// Why the affected people need no notice.
    pub(crate) people_untold_reasons: Option<String>,
    pub(crate) close_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
}

impl Breach {
    /// A breach that was known at `aware_time`, and is recorded now.
    pub(crate) fn known(facts: Facts, aware_time: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            id: BreachId::new_at(now),
            state: BreachState::Open,
            facts,
            aware_time,
            due_time: aware_time + BREACH_NOTICE,
            alerts: 0,
            regulator_notice: None,
            exemption: None,
            people_notice: None,
            people_untold_reasons: None,
            close_time: None,
            create_time: now,
        }
    }

    /// Replaces the known facts.
    pub(crate) fn update(&mut self, facts: Facts) -> Result<(), IllegalBreachStep> {
        must_be(self.state != BreachState::Closed, BreachStep::Update)?;
        self.facts = facts;
        Ok(())
    }

    /// Notes that the regulator was notified. This may follow a decision that no notice is needed, if more is known later.
    pub(crate) fn notify(&mut self, notice: RegulatorNotice) -> Result<(), IllegalBreachStep> {
        let may = matches!(self.state, BreachState::Open | BreachState::NotNotifiable);
        must_be(may, BreachStep::Notify)?;
        self.state = BreachState::Notified;
        self.regulator_notice = Some(notice);
        Ok(())
    }

    /// Notes that the regulator needs no notice.
    pub(crate) fn exempt(&mut self, reasons: String, now: DateTime<Utc>) -> Result<(), IllegalBreachStep> {
        must_be(self.state == BreachState::Open, BreachStep::Exempt)?;
        self.state = BreachState::NotNotifiable;
        self.exemption = Some(Exemption { reasons, time: now });
        Ok(())
    }

    /// Notes that affected people were notified.
    pub(crate) fn tell_people(&mut self, notice: PeopleNotice) -> Result<(), IllegalBreachStep> {
        must_be(self.state != BreachState::Closed, BreachStep::TellPeople)?;
        self.people_notice = Some(notice);
        Ok(())
    }

    /// Whether closing it needs reasons why people were not notified: there is a risk to them, and they were not notified.
    pub(crate) fn owes_people_an_answer(&self) -> bool {
        self.state == BreachState::Notified && self.people_notice.is_none()
    }

    /// Closes it.
    pub(crate) fn close(
        &mut self,
        untold: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(), IllegalBreachStep> {
        let may = matches!(self.state, BreachState::Notified | BreachState::NotNotifiable);
        must_be(may, BreachStep::Close)?;
        must_be(untold.is_some() || !self.owes_people_an_answer(), BreachStep::Close)?;
        self.state = BreachState::Closed;
        self.people_untold_reasons = untold;
        self.close_time = Some(now);
        Ok(())
    }

    /// Whether the time of an event fits: it is not before the breach was known, and not in the future.
    pub(crate) fn accepts_event_time(&self, time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        (self.aware_time..=now).contains(&time)
    }
}

fn must_be(may: bool, step: BreachStep) -> Result<(), IllegalBreachStep> {
    if may { Ok(()) } else { Err(IllegalBreachStep { step }) }
}

impl From<Breach> for wire::Breach {
    fn from(breach: Breach) -> Self {
        Self {
            breach_id: breach.id.to_string(),
            state: breach.state.into(),
            facts: Some(breach.facts.into()),
            aware_time: Some(timestamp(breach.aware_time)),
            due_time: Some(timestamp(breach.due_time)),
            regulator_notice: breach.regulator_notice.map(Into::into),
            exemption: breach.exemption.map(Into::into),
            people_notice: breach.people_notice.map(Into::into),
            people_untold_reasons: breach.people_untold_reasons.unwrap_or_default(),
            close_time: breach.close_time.map(timestamp),
            create_time: Some(timestamp(breach.create_time)),
        }
    }
}

impl From<Facts> for wire::BreachFacts {
    fn from(facts: Facts) -> Self {
        let Facts { description, data_kinds, people_count, consequences, measures } = facts;
        Self { description, data_kinds, people_count, consequences, measures }
    }
}

impl From<RegulatorNotice> for wire::RegulatorNotice {
    fn from(notice: RegulatorNotice) -> Self {
        Self {
            notice_time: Some(timestamp(notice.time)),
            reference: notice.reference.unwrap_or_default(),
            delay_reasons: notice.delay_reasons.unwrap_or_default(),
        }
    }
}

impl From<Exemption> for wire::BreachExemption {
    fn from(exemption: Exemption) -> Self {
        Self { reasons: exemption.reasons, decide_time: Some(timestamp(exemption.time)) }
    }
}

impl From<PeopleNotice> for wire::PeopleNotice {
    fn from(notice: PeopleNotice) -> Self {
        Self { notice_time: Some(timestamp(notice.time)), people_count: notice.count, means: notice.means }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn known() -> Breach {
        let facts = Facts {
            description: "A laptop was lost.".to_owned(),
            data_kinds: vec!["names".to_owned()],
            people_count: 3,
            consequences: "None that we know.".to_owned(),
            measures: "Its keys were revoked.".to_owned(),
        };
        Breach::known(facts, DateTime::UNIX_EPOCH, now())
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(10)
    }

    fn notice() -> RegulatorNotice {
        RegulatorNotice { time: now(), reference: None, delay_reasons: None }
    }

    #[test]
    fn the_72_hours_run_from_the_moment_when_it_was_known() {
        assert_eq!(known().due_time, DateTime::UNIX_EPOCH + TimeDelta::hours(72));
        let breach = known();
        assert!(
            breach.accepts_event_time(DateTime::UNIX_EPOCH, now()) && breach.accepts_event_time(now(), now())
        );
        assert!(!breach.accepts_event_time(now() + TimeDelta::seconds(1), now()));
        assert!(!breach.accepts_event_time(DateTime::UNIX_EPOCH - TimeDelta::seconds(1), now()));
    }

    #[test]
    fn a_breach_is_closed_only_when_regulator_and_people_have_their_answer() {
        let mut breach = known();
        assert_eq!(breach.close(None, now()), Err(IllegalBreachStep { step: BreachStep::Close }));
        breach.notify(notice()).expect("notified");
        assert_eq!(breach.close(None, now()), Err(IllegalBreachStep { step: BreachStep::Close }));
        let mut other = breach.clone();
        other.close(Some("The disk was encrypted.".to_owned()), now()).expect("closed with reasons");
        let told = PeopleNotice { time: now(), count: 3, means: "by mail".to_owned() };
        breach.tell_people(told.clone()).expect("told");
        breach.close(None, now()).expect("closed");
        assert!(breach.tell_people(told).is_err() && breach.update(known().facts).is_err());
        assert!(breach.notify(notice()).is_err() && breach.close(None, now()).is_err());
    }

    #[test]
    fn an_exempt_breach_can_still_be_notified() {
        let mut breach = known();
        breach.exempt("The disk was encrypted.".to_owned(), now()).expect("exempt");
        assert!(breach.exempt(String::new(), now()).is_err(), "it is decided");
        breach.clone().close(None, now()).expect("closed");
        breach.notify(notice()).expect("notified");
        assert_eq!(breach.state, BreachState::Notified);
    }
}
