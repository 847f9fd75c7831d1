//! A fake of another service with personal data. It notes its calls. Erasures and counts wait there until the test lets them continue.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use levqor_proto_runtime::v1::{
    ApplyHoldRequest, ApplyHoldResponse, ApplyRetentionRequest, ApplyRetentionResponse, CountSubjectRequest,
    CountSubjectResponse, EraseSubjectRequest, EraseSubjectResponse, GetStandingHoldIdsRequest,
    GetStandingHoldIdsResponse, PreviewErasureRequest, PreviewErasureResponse, ResolveSubjectRequest,
    ResolveSubjectResponse,
    privacy_service_server::{PrivacyService, PrivacyServiceServer},
};
use levqor_runtime::testing;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// The fake, as long as the test runs.
#[derive(Clone)]
pub(crate) struct FakePeer {
    pub(crate) address: String,
    calls: Arc<Mutex<Vec<&'static str>>>,
    gate: Arc<Semaphore>,
    refuses_holds: Arc<AtomicBool>,
}

impl FakePeer {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let peer = Self {
            address: listener.local_addr().expect("an address").to_string(),
            calls: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            refuses_holds: Arc::default(),
        };
        let server = Server::builder().add_service(PrivacyServiceServer::new(peer.clone()));
        testing::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        peer
    }

    /// How often this was called.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.calls.lock().expect("the calls").iter().filter(|it| **it == call).count()
    }

    /// Lets so many calls continue.
    pub(crate) fn let_continue(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    /// From now on it refuses holds, and applying the retention periods waits and takes more than one call.
    pub(crate) fn refuse_holds(&self) {
        self.refuses_holds.store(true, Ordering::SeqCst);
    }

    /// Notes a call. Returns the number of the call.
    fn note(&self, call: &'static str) -> usize {
        self.calls.lock().expect("the calls").push(call);
        self.count(call)
    }

    async fn wait(&self) {
        self.gate.acquire().await.expect("it is never closed").forget();
    }
}

#[tonic::async_trait]
impl PrivacyService for FakePeer {
    async fn resolve_subject(
        &self,
        request: Request<ResolveSubjectRequest>,
    ) -> Result<Response<ResolveSubjectResponse>, Status> {
        Ok(Response::new(ResolveSubjectResponse { subject: request.into_inner().subject }))
    }

    async fn preview_erasure(
        &self,
        _: Request<PreviewErasureRequest>,
    ) -> Result<Response<PreviewErasureResponse>, Status> {
        Ok(Response::new(PreviewErasureResponse::default()))
    }

    async fn erase_subject(
        &self,
        _: Request<EraseSubjectRequest>,
    ) -> Result<Response<EraseSubjectResponse>, Status> {
        let number = self.note("erase");
        self.wait().await;
        Ok(Response::new(EraseSubjectResponse { complete: number > 1, erased: Vec::new() }))
    }

    async fn count_subject(
        &self,
        _: Request<CountSubjectRequest>,
    ) -> Result<Response<CountSubjectResponse>, Status> {
        self.note("count");
        self.wait().await;
        Ok(Response::new(CountSubjectResponse::default()))
    }

    async fn apply_retention(
        &self,
        _: Request<ApplyRetentionRequest>,
    ) -> Result<Response<ApplyRetentionResponse>, Status> {
        self.note("retention");
        let takes_more = self.refuses_holds.load(Ordering::SeqCst);
        if takes_more {
            self.wait().await;
        }
        Ok(Response::new(ApplyRetentionResponse { complete: !takes_more, ..Default::default() }))
    }

    async fn apply_hold(&self, _: Request<ApplyHoldRequest>) -> Result<Response<ApplyHoldResponse>, Status> {
        self.note("hold");
        if self.refuses_holds.load(Ordering::SeqCst) {
            return Err(Status::unavailable("as the test wants it"));
        }
        Ok(Response::new(ApplyHoldResponse {}))
    }

    async fn get_standing_hold_ids(
        &self,
        _: Request<GetStandingHoldIdsRequest>,
    ) -> Result<Response<GetStandingHoldIdsResponse>, Status> {
        Ok(Response::new(GetStandingHoldIdsResponse::default()))
    }
}
