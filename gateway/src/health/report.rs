//! What is told of a measurement: to everybody names and booleans, to staff the reasons too.

use std::collections::BTreeMap;

use levqor_proto::runtime::v1::{Backlog, Capability as Wire, GetStatusResponse, capability::State};
use serde::Serialize;

use super::{Capability, Health, Peers};

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
    services: BTreeMap<&'m str, Service<'m>>,
}

#[derive(Default, Serialize)]
struct Service<'m> {
    ready: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'m str>,
    checks: Vec<Check<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<CapabilityState<'m>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<BacklogDepth>,
}

#[derive(Serialize)]
struct Check<'m> {
    name: &'m str,
    ok: bool,
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
    reason: Option<&'m str>,
}

#[derive(Serialize)]
struct BacklogDepth {
    waiting: i64,
    dead: i64,
    oldest_due_age_s: i64,
    journal_pending: i64,
    journal_quarantined: i64,
}

impl<'m> Report<'m> {
    pub(super) fn new(health: &'m Health, peers: &'m Peers, audience: Audience) -> Self {
        let draining = health.readiness.is_draining();
        // One service that is down must not take the way to the others: what needs it is answered 503, nothing else is.
        let ready = !draining && peers.iter().any(|(_, answer)| answer.as_ref().is_some_and(|a| a.ready));
        let mut services: BTreeMap<&str, Service<'_>> =
            peers.iter().map(|(name, answer)| (name.as_str(), peer(answer.as_ref(), audience))).collect();
        services.insert(crate::NAME, own(&health.capabilities, draining, audience));
        Self { ready, draining, services }
    }

    /// The same, as far as it decides readiness.
    pub(super) fn without_capabilities(mut self) -> Self {
        for service in self.services.values_mut() {
            service.capabilities = None;
        }
        self
    }
}

fn own(capabilities: &[Capability], draining: bool, audience: Audience) -> Service<'_> {
    let staff = audience == Audience::Staff;
    let state = |capability: &'_ Capability| if capability.on { "ON" } else { "OFF" };
    Service {
        ready: !draining,
        version: staff.then_some(env!("CARGO_PKG_VERSION")),
        checks: vec![Check { name: "accepting", ok: !draining, detail: None, duration_us: None }],
        capabilities: Some(
            capabilities
                .iter()
                .map(|capability| CapabilityState {
                    name: capability.name,
                    state: state(capability),
                    reason: staff.then_some(capability.reason.as_str()),
                })
                .collect(),
        ),
        ..Service::default()
    }
}

fn peer(answer: Option<&GetStatusResponse>, audience: Audience) -> Service<'_> {
    let Some(answer) = answer else {
        return Service { unreachable: true, ..Service::default() };
    };
    let staff = audience == Audience::Staff;
    let checks = answer.checks.iter().map(|check| Check {
        name: &check.name,
        ok: check.ok,
        detail: staff.then_some(check.detail.as_str()),
        duration_us: staff.then_some(check.duration_us),
    });
    let capabilities = answer.capabilities.iter().map(|capability| CapabilityState {
        name: &capability.name,
        state: state(capability),
        reason: staff.then_some(capability.reason.as_str()),
    });
    Service {
        ready: answer.ready,
        unreachable: false,
        version: staff.then_some(answer.version.as_str()),
        checks: checks.collect(),
        capabilities: Some(capabilities.collect()),
        backlog: answer.backlog.as_ref().filter(|_| staff).map(backlog),
    }
}

fn state(capability: &Wire) -> &'static str {
    match capability.state() {
        State::On => "ON",
        // A service that says nothing must not look as if it could.
        State::Off | State::Unspecified => "OFF",
    }
}

fn backlog(backlog: &Backlog) -> BacklogDepth {
    BacklogDepth {
        waiting: backlog.waiting,
        dead: backlog.dead,
        oldest_due_age_s: backlog.oldest_due_age_s,
        journal_pending: backlog.journal_pending,
        journal_quarantined: backlog.journal_quarantined,
    }
}
