//! What is told of a measurement: to everybody names and states, to staff the reasons too.

mod staff;

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, Utc};
use levqor_proto::runtime::v1::{Capability as Wire, GetStatusResponse, capability};
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

/// How the mesh is.
#[derive(Serialize)]
pub(super) struct Report<'m> {
    pub(super) ready: bool,
    draining: bool,
    /// How long ago the services were asked.
    age_ms: i64,
    services: BTreeMap<&'m str, Service<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incidents: Option<[Incident; 0]>,
}

/// What people are told of something that went wrong. There is nobody yet who could publish one.
#[derive(Serialize)]
struct Incident;

/// In one word.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    /// It answers, and can do its work.
    Up,
    /// It answers that it cannot.
    NotReady,
    /// It does not answer.
    NoAnswer,
}

#[derive(Serialize)]
struct Service<'m> {
    ready: bool,
    state: State,
    /// Since when that is so, as far as anybody noticed.
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

/// What is known of a service that does not answer.
#[derive(Serialize)]
struct Silence {
    /// When it last answered. Null where it never did since the gateway began.
    last_answer_time: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Check<'m> {
    name: &'m str,
    ok: bool,
    /// How long ago it was measured; absent where it was not.
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
        // One service that is down must not take the way to the others: what needs it is answered 503, nothing else is.
        let ready = !draining && peers.peers.iter().any(|peer| peer.answer.as_ref().is_some_and(|a| a.ready));
        let peers = peers.peers.iter();
        let mut services: BTreeMap<&str, Service<'_>> =
            peers.map(|of| (of.service.as_str(), peer(of, age_ms, audience))).collect();
        services.insert(crate::NAME, own(health, draining, audience));
        Self { ready, draining, age_ms, services, incidents: Some([]) }
    }

    /// The same, as far as it decides readiness.
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
        // A drain is short: since when it goes on is of no use to anybody.
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
        // A service that says nothing must not look as if it could.
        capability::State::Off | capability::State::Unspecified => "OFF",
    };
    CapabilityState {
        name: &capability.name,
        state,
        reason: staff.then(|| capability.reason.as_str().into()),
        measure_time: time(capability.measure_time.as_ref()),
    }
}
