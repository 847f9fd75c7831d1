//! Asks all services for their status, at the same time. It asks at most once a second, or ten times a second while a service is
//! not ready, however many callers ask us.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use levqor_proto::{
    runtime::v1::{GetStatusRequest, GetStatusResponse, status_service_client::StatusServiceClient},
    support::v1::{GetPublicStatusRequest, PublicIncident, incident_service_client::IncidentServiceClient},
};
use levqor_runtime::{
    client::{Channels, Outgoing},
    clock::Clock,
    id,
    token::ServiceTokens,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long a service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a measurement is fresh.
const MAX_AGE: Duration = Duration::from_secs(1);
/// The same if a service was not ready: while the mesh starts, that changes soon.
const MAX_AGE_UNREADY: Duration = Duration::from_millis(100);

/// The highest age of a measurement that is returned while the services are asked again.
const MAX_STALE_AGE: Duration = Duration::from_secs(5);

/// One measurement: the answers of all services, sorted by name.
pub(crate) struct Peers {
    /// All services, also those that did not answer.
    pub(crate) all: Vec<Peer>,
    /// Support's incidents. `None` if support did not answer: then it is unknown whether there are any.
    pub(crate) incidents: Option<Vec<PublicIncident>>,
    asked: Instant,
}

impl Peers {
    /// How long this measurement is fresh.
    fn fresh_for(&self) -> Duration {
        let ready = self.all.iter().all(|peer| peer.answer.as_ref().is_some_and(|answer| answer.ready));
        if ready { MAX_AGE } else { MAX_AGE_UNREADY }
    }

    fn is_fresh(&self) -> bool {
        self.asked.elapsed() < self.fresh_for()
    }

    /// How long ago they were asked, in milliseconds.
    pub(crate) fn age_ms(&self) -> i64 {
        i64::try_from(self.asked.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// One service, and its answer to the last request.
pub(crate) struct Peer {
    /// Its name.
    pub(crate) service: String,
    /// Its answer. `None` if it did not answer.
    pub(crate) answer: Option<GetStatusResponse>,
    /// When it last answered. `None` if it has not answered since this process began.
    pub(crate) answer_time: Option<DateTime<Utc>>,
    /// Since when it does not answer. `None` if it answers.
    pub(crate) silent_since: Option<DateTime<Utc>>,
}

impl Peer {
    /// The service after another request. `before` is its state before that request.
    fn after(
        before: Option<&Self>,
        service: &str,
        answer: Option<GetStatusResponse>,
        now: DateTime<Utc>,
    ) -> Self {
        let heard = answer.is_some();
        let known = before.and_then(|before| before.answer_time);
        let silent = before.and_then(|before| before.silent_since);
        Self {
            service: service.to_owned(),
            answer,
            answer_time: if heard { Some(now) } else { known },
            silent_since: if heard { None } else { silent.or(Some(now)) },
        }
    }
}

/// Asks the services for their status.
pub(crate) struct Meter {
    channels: Channels,
    tokens: Arc<ServiceTokens>,
    services: Vec<String>,
    clock: Clock,
    last: RwLock<Option<Arc<Peers>>>,
    /// Held while the services are being asked.
    asking: Mutex<()>,
}

impl Meter {
    /// Asks these services, over these channels.
    #[must_use]
    pub(crate) fn new(
        channels: Channels,
        tokens: Arc<ServiceTokens>,
        services: Vec<String>,
        clock: Clock,
    ) -> Self {
        Self { channels, tokens, services, clock, last: RwLock::default(), asking: Mutex::default() }
    }

    /// The answers of the services, at most a second old. While the services are asked, other callers get the last measurement.
    /// They wait for the next one only if the last one is too old.
    pub(crate) async fn measure(&self) -> Arc<Peers> {
        if let Some(peers) = self.last_if(Peers::is_fresh) {
            return peers;
        }
        let _asking = if let Ok(asking) = self.asking.try_lock() {
            asking
        } else {
            if let Some(peers) = self.last_if(|last| last.asked.elapsed() < MAX_STALE_AGE) {
                return peers;
            }
            self.asking.lock().await
        };
        // Perhaps another request has asked them in the meantime.
        match self.last_if(Peers::is_fresh) {
            Some(peers) => peers,
            None => self.measure_now().await,
        }
    }

    fn last_if(&self, wanted: impl FnOnce(&Peers) -> bool) -> Option<Arc<Peers>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|last| wanted(last)).cloned()
    }

    async fn measure_now(&self) -> Arc<Peers> {
        let before = self.last_if(|_| true);
        let before = |service: &str| before.as_ref()?.all.iter().find(|peer| peer.service == service);
        let request_id = &id::request_id();
        let asked = self.services.iter().map(|service| async move {
            let answer = timeout(TIMEOUT, self.ask(service, request_id)).await.ok().flatten();
            let fell_silent = before(service).is_none_or(|before| before.answer.is_some());
            if answer.is_none() && fell_silent {
                tracing::warn!(service, "a service does not answer GetStatus");
            }
            (service, answer)
        });
        let now = self.clock.now();
        let (answers, incidents) =
            tokio::join!(join_all(asked), timeout(TIMEOUT, self.ask_incidents(request_id)));
        let incidents = incidents.ok().flatten();
        let fell_silent = self.last_if(|_| true).is_none_or(|before| before.incidents.is_some());
        if incidents.is_none() && fell_silent {
            tracing::warn!(
                "support does not say which incidents are published: the status says nothing about them"
            );
        }
        let answers = answers.into_iter();
        let peers = answers.map(|(service, answer)| Peer::after(before(service), service, answer, now));
        let peers = Arc::new(Peers { all: peers.collect(), incidents, asked: Instant::now() });
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&peers));
        peers
    }

    /// Asks support for the incidents that are published.
    async fn ask_incidents(&self, request_id: &str) -> Option<Vec<PublicIncident>> {
        let outgoing = Outgoing { bearer: None, request_id, idempotency_key: None, timeout: TIMEOUT };
        let mut client = IncidentServiceClient::new(self.channels.get("support")?);
        let answer = client.get_public_status(outgoing.request(GetPublicStatusRequest {})).await.ok()?;
        Some(answer.into_inner().incidents)
    }

    async fn ask(&self, service: &str, request_id: &str) -> Option<GetStatusResponse> {
        let token = match self.tokens.mint(crate::NAME, service) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot mint a service token");
                return None;
            }
        };
        let outgoing = Outgoing { bearer: Some(&token), request_id, idempotency_key: None, timeout: TIMEOUT };
        let request = outgoing.request(GetStatusRequest { service: service.to_owned() });
        let mut client = StatusServiceClient::new(self.channels.get(service)?);
        client.get_status(request).await.ok().map(tonic::Response::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_not_ready_is_asked_again_sooner() {
        let says = |ready| Some(GetStatusResponse { ready, ..GetStatusResponse::default() });
        for (other, fresh_for) in
            [(says(true), MAX_AGE), (says(false), MAX_AGE_UNREADY), (None, MAX_AGE_UNREADY)]
        {
            let peer = |answer| Peer::after(None, "any", answer, Clock::default().now());
            let peers =
                Peers { all: vec![peer(says(true)), peer(other)], incidents: None, asked: Instant::now() };
            assert_eq!(peers.fresh_for(), fresh_for);
        }
    }
}
