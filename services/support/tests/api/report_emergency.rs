//! `ReportEmergency`: operators are paged at once, and nothing of it is public.

use levqor_proto_mail::v1::{OperatorNoticeKind, OperatorNoticeSeverity};
use levqor_proto_support::v1::{
    GetPublicStatusRequest, ReportEmergencyRequest, incident_service_client::IncidentServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, reason, refused, violated},
};

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) fn incidents(&self) -> IncidentServiceClient<Peer> {
        IncidentServiceClient::new(self.service.channel())
    }

    /// An emergency of Ada's. Gives its id.
    pub(crate) async fn emergency(&self) -> String {
        let request = ReportEmergencyRequest {
            summary: "Ada's shop is down".to_owned(),
            impact: "No orders".to_owned(),
        };
        let reported = self.incidents().report_emergency(ada().request(request)).await.expect("reported");
        reported.into_inner().incident_id
    }

    /// The public status.
    pub(crate) async fn public_status(&self) -> levqor_proto_support::v1::GetPublicStatusResponse {
        let request = Caller::anonymous().request(GetPublicStatusRequest {});
        self.incidents().get_public_status(request).await.expect("shown").into_inner()
    }
}

#[tokio::test]
async fn an_emergency_pages_operators_and_is_private() {
    let bench = Bench::start().await;
    bench.emergency().await;
    let notices = bench.notices().await;
    let [notice] = notices.as_slice() else { panic!("one page") };
    assert_eq!(
        (notice.kind(), notice.severity()),
        (OperatorNoticeKind::Incident, OperatorNoticeSeverity::Critical)
    );
    assert!(!notice.text.contains("Ada"), "{}", notice.text);
    assert!(bench.public_status().await.incidents.is_empty());
    let empty = ReportEmergencyRequest::default();
    assert_eq!(
        violated(&refused(bench.incidents().report_emergency(ada().request(empty.clone())).await)),
        ["summary"]
    );
    let nobody = bench.incidents().report_emergency(Caller::anonymous().request(empty)).await;
    assert_eq!(reason(&refused(nobody)), "TOKEN_MISSING");
}
