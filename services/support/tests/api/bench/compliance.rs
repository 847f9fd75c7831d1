//! A fake of compliance: its screen blocks one term, and warns of another.

use levqor_proto_law::v1::{
    IngestAcceptanceRequest, IngestAcceptanceResponse, IngestPermissionChangeRequest,
    IngestPermissionChangeResponse, IngestPrivacyComplaintRequest, IngestPrivacyComplaintResponse,
    RiskFinding, ScreenTextRequest, ScreenTextResponse,
    law_service_server::{LawService, LawServiceServer},
};
use levqor_runtime::testing;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// The fake, as long as the test runs.
pub(crate) struct FakeCompliance {
    pub(crate) address: String,
}

impl FakeCompliance {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = Server::builder().add_service(LawServiceServer::new(Screen));
        testing::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address }
    }
}

struct Screen;

#[tonic::async_trait]
impl LawService for Screen {
    async fn ingest_permission_change(
        &self,
        _: Request<IngestPermissionChangeRequest>,
    ) -> Result<Response<IngestPermissionChangeResponse>, Status> {
        Err(Status::unavailable("not in this test"))
    }

    async fn ingest_acceptance(
        &self,
        _: Request<IngestAcceptanceRequest>,
    ) -> Result<Response<IngestAcceptanceResponse>, Status> {
        Err(Status::unavailable("not in this test"))
    }

    async fn ingest_privacy_complaint(
        &self,
        _: Request<IngestPrivacyComplaintRequest>,
    ) -> Result<Response<IngestPrivacyComplaintResponse>, Status> {
        Err(Status::unavailable("not in this test"))
    }

    async fn screen_text(
        &self,
        request: Request<ScreenTextRequest>,
    ) -> Result<Response<ScreenTextResponse>, Status> {
        assert!(request.metadata().get("authorization").is_some(), "the caller says who it is");
        let text = request.into_inner().text;
        let terms = [("MEDICAL", "patient records", true), ("LEGAL", "solicitor", false)];
        let found = terms.into_iter().filter(|(_, term, _)| text.contains(term));
        let findings: Vec<_> = found
            .map(|(category, term, blocks)| RiskFinding {
                category: category.to_owned(),
                term: term.to_owned(),
                blocks,
                ..RiskFinding::default()
            })
            .collect();
        let blocked = findings.iter().any(|finding| finding.blocks);
        Ok(Response::new(ScreenTextResponse { findings, blocked }))
    }
}
