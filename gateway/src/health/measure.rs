//! Asks every service how it is, all at once, and at most once a second however many ask us.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use levqor_proto::runtime::v1::{
    GetStatusRequest, GetStatusResponse, status_service_client::StatusServiceClient,
};
use levqor_runtime::{
    client::{Channels, Outgoing},
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

/// What each service said, in the order of their names; none where one did not answer.
pub(crate) type Peers = Vec<(String, Option<GetStatusResponse>)>;

/// Asks the services.
pub(crate) struct Meter {
    channels: Channels,
    tokens: Arc<ServiceTokens>,
    services: Vec<String>,
    last: Mutex<Option<(Instant, Arc<Peers>)>>,
}

impl Meter {
    /// Asks these services, over these channels.
    #[must_use]
    pub(crate) fn new(channels: Channels, tokens: Arc<ServiceTokens>, services: Vec<String>) -> Self {
        Self { channels, tokens, services, last: Mutex::default() }
    }

    /// What the services say, at most a second old. Whoever comes while they are being asked waits for that answer.
    pub(crate) async fn measure(&self) -> Arc<Peers> {
        let mut last = self.last.lock().await;
        if let Some((at, peers)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(peers);
        }
        let request_id = &id::request_id();
        let asked = self.services.iter().map(|service| async move {
            let answer = timeout(PATIENCE, self.ask(service, request_id)).await.ok().flatten();
            if answer.is_none() {
                tracing::warn!(service, "a service does not say how it is");
            }
            (service.clone(), answer)
        });
        let peers: Arc<Peers> = Arc::new(join_all(asked).await);
        *last = Some((Instant::now(), Arc::clone(&peers)));
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
