//! A fake of compliance: each text that it screens has a term of the law, which only warns.

use levqor_proto_law::v1::{
    RiskFinding, ScreenTextRequest, ScreenTextResponse,
    law_service_server::{LawService, LawServiceServer},
};
use levqor_runtime::testing;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

struct Law;

/// Starts it, and returns its address.
pub(crate) async fn start() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = Server::builder().add_service(LawServiceServer::new(Law));
    testing::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

#[tonic::async_trait]
impl LawService for Law {
    async fn screen_text(
        &self,
        _: Request<ScreenTextRequest>,
    ) -> Result<Response<ScreenTextResponse>, Status> {
        let finding = RiskFinding { category: "LEGAL".to_owned(), ..RiskFinding::default() };
        Ok(Response::new(ScreenTextResponse { findings: vec![finding], blocked: false }))
    }
}
