//! Asks every service how it is, all at once, and at most once a second however many ask us; ten times, while one is not
//! ready.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use levqor_proto::runtime::v1::{
    GetStatusRequest, GetStatusResponse, status_service_client::StatusServiceClient,
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

/// How long a service may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a measurement counts.
const FRESH: Duration = Duration::from_secs(1);
/// The same of one that found a service not ready: when all of the mesh starts, that changes any moment.
const FRESH_UNREADY: Duration = Duration::from_millis(100);

/// How old a measurement may be that is told while the services are being asked again.
const MOST_AGE: Duration = Duration::from_secs(5);

/// What each service said, in the order of their names.
pub(crate) struct Peers {
    /// Each service, one that did not answer included.
    pub(crate) peers: Vec<Peer>,
    asked: Instant,
}

impl Peers {
    /// For how long that counts.
    fn counts_for(&self) -> Duration {
        let ready = self.peers.iter().all(|peer| peer.answer.as_ref().is_some_and(|answer| answer.ready));
        if ready { FRESH } else { FRESH_UNREADY }
    }

    fn is_fresh(&self) -> bool {
        self.asked.elapsed() < self.counts_for()
    }

    /// How long ago they were asked, in milliseconds.
    pub(crate) fn age_ms(&self) -> i64 {
        i64::try_from(self.asked.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// One service, as the last question found it.
pub(crate) struct Peer {
    /// Its name.
    pub(crate) service: String,
    /// What it said; none where it did not answer.
    pub(crate) answer: Option<GetStatusResponse>,
    /// When it last answered; none where it never did since this process began.
    pub(crate) answer_time: Option<DateTime<Utc>>,
    /// When it was first found silent; none where it answers.
    pub(crate) silent_since: Option<DateTime<Utc>>,
}

impl Peer {
    /// What is known after another question; `before` is what was known so far.
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

/// Asks the services.
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

    /// What the services say, at most a second old. While they are being asked, others are told the last measurement, and wait
    /// for the next one only where that is too old.
    pub(crate) async fn measure(&self) -> Arc<Peers> {
        if let Some(peers) = self.last_if(Peers::is_fresh) {
            return peers;
        }
        let _asking = if let Ok(asking) = self.asking.try_lock() {
            asking
        } else {
            if let Some(peers) = self.last_if(|last| last.asked.elapsed() < MOST_AGE) {
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
        let before = |service: &str| before.as_ref()?.peers.iter().find(|peer| peer.service == service);
        let request_id = &id::request_id();
        let asked = self.services.iter().map(|service| async move {
            let answer = timeout(PATIENCE, self.ask(service, request_id)).await.ok().flatten();
            let fell_silent = before(service).is_none_or(|before| before.answer.is_some());
            if answer.is_none() && fell_silent {
                tracing::warn!(service, "a service does not say how it is");
            }
            (service, answer)
        });
        let now = self.clock.now();
        let answers = join_all(asked).await.into_iter();
        let peers = answers.map(|(service, answer)| Peer::after(before(service), service, answer, now));
        let peers = Arc::new(Peers { peers: peers.collect(), asked: Instant::now() });
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&peers));
        peers
    }

    async fn ask(&self, service: &str, request_id: &str) -> Option<GetStatusResponse> {
        let token = match self.tokens.mint(crate::NAME, service) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot mint a service token");
                return None;
            }
        };
        let outgoing =
            Outgoing { bearer: Some(&token), request_id, idempotency_key: None, timeout: PATIENCE };
        let request = outgoing.request(GetStatusRequest { service: service.to_owned() });
        let mut client = StatusServiceClient::new(self.channels.get(service)?);
        client.get_status(request).await.ok().map(tonic::Response::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ready_is_asked_again_sooner() {
        let says = |ready| Some(GetStatusResponse { ready, ..GetStatusResponse::default() });
        for (other, counts_for) in [(says(true), FRESH), (says(false), FRESH_UNREADY), (None, FRESH_UNREADY)]
        {
            let peer = |answer| Peer::after(None, "any", answer, Clock::default().now());
            let peers = Peers { peers: vec![peer(says(true)), peer(other)], asked: Instant::now() };
            assert_eq!(peers.counts_for(), counts_for);
        }
    }
}
