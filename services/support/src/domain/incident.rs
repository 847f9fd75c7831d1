//! Incidents and announced maintenance: their states, and the uptime of a component.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{timestamp, typed_id, wire_enum};

typed_id!(pub(crate) IncidentId, "an incident");
typed_id!(pub(crate) UpdateId, "news of an incident");

wire_enum! {
    /// The kind.
    pub(crate) enum IncidentKind: wire::incident::Kind {
        /// Something does not work.
        Incident = "INCIDENT",
        /// Work that was announced.
        Maintenance = "MAINTENANCE",
    }
}

wire_enum! {
    /// The state.
    pub(crate) enum IncidentState: wire::incident::State {
        /// A customer reported it.
        Reported = "REPORTED",
        /// We look for the cause.
        Investigating = "INVESTIGATING",
        /// We know the cause.
        Identified = "IDENTIFIED",
        /// We watch whether it is over.
        Monitoring = "MONITORING",
        /// It is over.
        Resolved = "RESOLVED",
        /// A maintenance that was announced, or is under way.
        Scheduled = "SCHEDULED",
    }
}

wire_enum! {
    /// A part of the mesh that is measured.
    pub(crate) enum Component: wire::Component {
        /// Orders and payments.
        Billing = "BILLING",
        /// Mail.
        Notifications = "NOTIFICATIONS",
        /// Chat and tickets.
        Support = "SUPPORT",
        /// Copies, erasure and consents.
        Compliance = "COMPLIANCE",
    }
}

/// How long before its begin a maintenance is announced.
pub(crate) const ANNOUNCED: TimeDelta = TimeDelta::hours(24);
/// A measurement that is older says nothing about now.
const MAX_AGE: TimeDelta = TimeDelta::minutes(5);

impl Component {
    /// The name that subscribers read.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Billing => "Orders and payments",
            Self::Notifications => "Mail",
            Self::Support => "Chat and tickets",
            Self::Compliance => "Personal data and consents",
        }
    }

    /// The service that is measured.
    pub(crate) const fn service(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Notifications => "notifications",
            Self::Support => "support",
            Self::Compliance => "compliance",
        }
    }
}

/// An incident.
pub(crate) struct Incident {
    pub(crate) id: IncidentId,
    pub(crate) kind: IncidentKind,
    pub(crate) state: IncidentState,
    pub(crate) title: String,
    /// A customer's report. Never public.
    pub(crate) report: String,
    pub(crate) reporter_sub: Option<String>,
    pub(crate) components: Vec<Component>,
    pub(crate) publish_time: Option<DateTime<Utc>>,
    pub(crate) start_time: DateTime<Utc>,
    pub(crate) end_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
}

/// News of an incident.
#[derive(Clone)]
pub(crate) struct Update {
    pub(crate) id: UpdateId,
    pub(crate) incident_id: IncidentId,
    pub(crate) state: IncidentState,
    pub(crate) text: String,
    /// Whether the public sees it, once the incident is public.
    pub(crate) is_public: bool,
    pub(crate) create_time: DateTime<Utc>,
}

/// The state of the incident does not allow this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the incident does not allow this")]
pub(crate) struct IncidentOver;

impl Incident {
    /// Publishes it, in words of staff.
    pub(crate) fn publish(
        &mut self,
        title: String,
        components: Vec<Component>,
        now: DateTime<Utc>,
    ) -> Result<(), IncidentOver> {
        if self.publish_time.is_some() || self.state == IncidentState::Resolved {
            return Err(IncidentOver);
        }
        self.state = IncidentState::Investigating;
        self.title = title;
        self.components = components;
        self.publish_time = Some(now);
        Ok(())
    }

    /// Moves it on. Nothing follows a resolution.
    pub(crate) fn update(&mut self, state: IncidentState, now: DateTime<Utc>) -> Result<(), IncidentOver> {
        let may_follow = !matches!(state, IncidentState::Reported | IncidentState::Scheduled);
        if self.state == IncidentState::Resolved || !may_follow {
            return Err(IncidentOver);
        }
        self.state = state;
        if state == IncidentState::Resolved {
            // A maintenance that ends early, or an incident.
            self.end_time = Some(now.max(self.start_time + TimeDelta::seconds(1)));
        }
        Ok(())
    }

    /// The incident as staff see it.
    pub(crate) fn to_wire(&self, updates: &[Update]) -> wire::Incident {
        wire::Incident {
            incident_id: self.id.to_string(),
            kind: self.kind.into(),
            state: self.state.into(),
            title: self.title.clone(),
            report: self.report.clone(),
            reporter_sub: self.reporter_sub.clone().unwrap_or_default(),
            components: self.components.iter().map(|component| (*component).into()).collect(),
            publish_time: self.publish_time.map(timestamp),
            start_time: Some(timestamp(self.start_time)),
            end_time: self.end_time.map(timestamp),
            updates: updates.iter().cloned().map(Into::into).collect(),
            create_time: Some(timestamp(self.create_time)),
        }
    }

    /// The incident as the public sees it: nothing that a customer reported, and no news that staff wrote for themselves. `None` while it
    /// is private.
    pub(crate) fn to_public(&self, updates: &[Update]) -> Option<wire::PublicIncident> {
        self.publish_time?;
        let own = updates.iter().filter(|update| update.incident_id == self.id && update.is_public);
        Some(wire::PublicIncident {
            incident_id: self.id.to_string(),
            kind: self.kind.into(),
            state: self.state.into(),
            title: self.title.clone(),
            components: self.components.iter().map(|component| (*component).into()).collect(),
            start_time: Some(timestamp(self.start_time)),
            end_time: self.end_time.map(timestamp),
            updates: own.cloned().map(Into::into).collect(),
        })
    }
}

impl From<Update> for wire::IncidentUpdate {
    fn from(update: Update) -> Self {
        Self {
            state: update.state.into(),
            text: update.text,
            is_public: update.is_public,
            create_time: Some(timestamp(update.create_time)),
        }
    }
}

/// The known facts about a component.
pub(crate) struct Measured {
    pub(crate) component: Component,
    pub(crate) last: Option<(bool, DateTime<Utc>)>,
    /// Minutes up and down of this month, and of the last one.
    pub(crate) months: [(i64, i64); 2],
}

/// The uptime in percent. `None` if nothing was measured.
pub(crate) fn uptime(up: i64, down: i64) -> Option<f64> {
    let all = up.checked_add(down).filter(|all| *all > 0)?;
    // Counts of minutes are small enough for an exact number.
    let [up, all] = [up, all].map(|count| i32::try_from(count).map_or(f64::MAX, f64::from));
    Some((up / all * 100_000.0).round() / 1_000.0)
}

impl Measured {
    /// The component as the public sees it.
    pub(crate) fn to_wire(&self, now: DateTime<Utc>) -> wire::ComponentStatus {
        let [this, before] = self.months.map(|(up, down)| uptime(up, down));
        wire::ComponentStatus {
            component: self.component.into(),
            up: self.last.filter(|(_, time)| now - *time <= MAX_AGE).map(|(up, _)| up),
            uptime_this_month: this,
            uptime_last_month: before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uptime_is_a_figure_and_nothing_measured_is_no_figure() {
        for (up, down, expected) in [
            (0, 0, None),
            (1, 0, Some(100.0)),
            (0, 3, Some(0.0)),
            (43_150, 50, Some(99.884)),
            (2, 1, Some(66.667)),
        ] {
            assert_eq!(uptime(up, down), expected, "{up} {down}");
        }
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        let measured = |age| Measured {
            component: Component::Billing,
            last: Some((true, now - TimeDelta::minutes(age))),
            months: [(1, 1), (0, 0)],
        };
        assert_eq!((measured(5).to_wire(now).up, measured(6).to_wire(now).up), (Some(true), None));
    }

    #[test]
    fn an_ended_incident_stays_ended_and_a_private_one_is_not_shown() {
        let now = DateTime::UNIX_EPOCH;
        let mut incident = Incident {
            id: IncidentId::new_at(now),
            kind: IncidentKind::Incident,
            state: IncidentState::Reported,
            title: String::new(),
            report: "Ada's shop is down".to_owned(),
            reporter_sub: Some("ada".to_owned()),
            components: Vec::new(),
            publish_time: None,
            start_time: now,
            end_time: None,
            create_time: now,
        };
        assert!(incident.to_public(&[]).is_none());
        assert_eq!(incident.update(IncidentState::Scheduled, now), Err(IncidentOver));
        incident.publish("Orders are slow".to_owned(), vec![Component::Billing], now).expect("published");
        assert!(incident.publish(String::new(), Vec::new(), now).is_err());
        let update = |text: &str, is_public| Update {
            id: UpdateId::new_at(now),
            incident_id: incident.id,
            state: IncidentState::Investigating,
            text: text.to_owned(),
            is_public,
            create_time: now,
        };
        let updates = [update("We look for the cause.", true), update("Bob pulled the plug.", false)];
        let shown = format!("{:?}", incident.to_public(&updates).expect("public"));
        assert!(shown.contains("Orders are slow") && shown.contains("the cause"), "{shown}");
        assert!(!shown.contains("Ada") && !shown.contains("Bob"), "{shown}");
        incident.update(IncidentState::Resolved, now).expect("resolved");
        assert!(incident.end_time.is_some() && incident.update(IncidentState::Monitoring, now).is_err());
    }
}
