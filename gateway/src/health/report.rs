//! The report of a measurement. Everybody sees names and states; staff also see the reasons.

mod staff;

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, Utc};
use levqor_proto::{
    runtime::v1::{Capability as Wire, GetStatusResponse, capability},
    support::v1::PublicIncident,
};
use levqor_runtime::{service::Capability, telemetry, version};
use serde::Serialize;

use self::staff::{Staff, time};
use super::{Health, Peers, measure::Peer};

/// Who reads the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Public,
    Staff,
}

/// The state of the mesh.
#[derive(Serialize)]
pub(super) struct Report<'m> {
    pub(super) ready: bool,
    draining: bool,
    /// How long ago the services were asked.
    age_ms: i64,
    services: BTreeMap<&'m str, Service<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incidents: Option<Vec<Published<'m>>>,
}

/// A published incident.
#[derive(Serialize)]
struct Published<'m> {
    incident_id: &'m str,
    state: &'static str,
    title: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<DateTime<Utc>>,
}

impl<'m> From<&'m PublicIncident> for Published<'m> {
    fn from(incident: &'m PublicIncident) -> Self {
        Self {
            incident_id: &incident.incident_id,
            state: incident.state().as_str_name(),
            title: &incident.title,
            start_time: time(incident.start_time.as_ref()),
            end_time: time(incident.end_time.as_ref()),
        }
    }
}

/// The state of a service in one word.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    /// It answers, and can do its work.
    Up,
    /// It answers that it cannot do its work.
    NotReady,
    /// It does not answer.
    NoAnswer,
}

#[derive(Serialize)]
struct Service<'m> {
    ready: bool,
    state: State,
    /// Since when the service is in this state, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_time: Option<DateTime<Utc>>,
    #[serde(flatten)]
    silence: Option<Silence>,
    checks: Vec<Check<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<CapabilityState<'m>>>,
    #[serde(flatten)]
    staff: Option<Staff<'m>>,
}

/// The report of a service that does not answer.
#[derive(Serialize)]
struct Silence {
    /// When it last answered. Null if it has not answered since the gateway started.
    last_answer_time: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Check<'m> {
    name: &'m str,
    ok: bool,
    /// How long ago it was measured. Absent if it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<i64>,
}

#[derive(Serialize)]
struct CapabilityState<'m> {
    name: &'m str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'m, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measure_time: Option<DateTime<Utc>>,
}

impl<'m> Report<'m> {
    pub(super) fn new(health: &'m Health, peers: &'m Peers, audience: Audience) -> Self {
        let draining = health.readiness.is_draining();
        let age_ms = peers.age_ms();
        // One ready service is enough: only requests that need another service get 503.
        let ready = !draining && peers.all.iter().any(|peer| peer.answer.as_ref().is_some_and(|a| a.ready));
        // Absent if support did not answer: an empty list would say that there is no incident.
        let incidents = peers.incidents.as_ref().map(|all| all.iter().map(Published::from).collect());
        let peers = peers.all.iter();
        let mut services: BTreeMap<&str, Service<'_>> =
            peers.map(|of| (of.service.as_str(), peer(of, age_ms, audience))).collect();
        services.insert(crate::NAME, own(health, draining, audience));
        Self { ready, draining, age_ms, services, incidents }
    }

    /// The part of the report that `/health/ready` shows.
    pub(super) fn of_readiness(mut self) -> Self {
        for service in self.services.values_mut() {
            service.capabilities = None;
        }
        self.incidents = None;
        self
    }
}

fn own(health: &Health, draining: bool, audience: Audience) -> Service<'_> {
    let staff = audience == Audience::Staff;
    let state = |capability: Capability| CapabilityState {
        name: capability.name,
        state: capability.state.as_str(),
        reason: staff.then(|| capability.reason.into()),
        measure_time: capability.measured,
    };
    Service {
        ready: !draining,
        state: if draining { State::NotReady } else { State::Up },
        // A drain is short, so its start is not shown.
        since_time: (!draining).then_some(health.since),
        silence: None,
        checks: vec![Check {
            name: "accepting",
            ok: !draining,
            age_ms: Some(0),
            detail: None,
            duration_us: None,
        }],
        capabilities: Some(
            health.capabilities.iter().cloned().chain(telemetry::capabilities()).map(state).collect(),
        ),
        staff: staff.then(|| Staff::of_build(version::VERSION, version::commit(), &health.protocol)),
    }
}

fn peer(peer: &Peer, asked_ms: i64, audience: Audience) -> Service<'_> {
    let Some(answer) = &peer.answer else {
        return Service {
            ready: false,
            state: State::NoAnswer,
            since_time: peer.silent_since,
            silence: Some(Silence { last_answer_time: peer.answer_time }),
            checks: Vec::new(),
            capabilities: None,
            staff: None,
        };
    };
    let staff = audience == Audience::Staff;
    Service {
        ready: answer.ready,
        state: if answer.ready { State::Up } else { State::NotReady },
        since_time: time(answer.ready_change_time.as_ref()),
        silence: None,
        checks: checks(answer, asked_ms, staff),
        capabilities: Some(answer.capabilities.iter().map(|of| capability(of, staff)).collect()),
        staff: staff.then(|| Staff::of_service(answer)),
    }
}

fn checks(answer: &GetStatusResponse, asked_ms: i64, staff: bool) -> Vec<Check<'_>> {
    let checks = answer.checks.iter().map(|check| Check {
        name: &check.name,
        ok: check.ok,
        age_ms: check.check_time.as_ref().map(|_| check.age_ms.max(0).saturating_add(asked_ms)),
        detail: staff.then_some(check.detail.as_str()),
        duration_us: staff.then_some(check.duration_us),
    });
    checks.collect()
}

fn capability(capability: &Wire, staff: bool) -> CapabilityState<'_> {
    let state = match capability.state() {
        capability::State::On => "ON",
        capability::State::Failed => "FAILED",
        // A capability without a state counts as off.
        capability::State::Off | capability::State::Unspecified => "OFF",
    };
    CapabilityState {
        name: &capability.name,
        state,
        reason: staff.then(|| capability.reason.as_str().into()),
        measure_time: time(capability.measure_time.as_ref()),
    }
}
