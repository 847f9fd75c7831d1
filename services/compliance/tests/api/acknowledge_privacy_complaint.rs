//! Staff record that the letter of acknowledgement went out.

use levqor_proto_compliance::v1::{
    AcknowledgePrivacyComplaintRequest, PrivacyComplaint, privacy_complaint::State,
};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use prost_types::Timestamp;
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    enter_privacy_complaint::enter,
};

async fn acknowledge(bench: &Bench, id: &str, time: Option<Timestamp>) -> Result<PrivacyComplaint, Status> {
    let request =
        AcknowledgePrivacyComplaintRequest { privacy_complaint_id: id.to_owned(), acknowledge_time: time };
    let done = bench.complaints().acknowledge_privacy_complaint(Caller::staff().request(request)).await?;
    Ok(done.into_inner().privacy_complaint.expect("a complaint"))
}

#[tokio::test]
async fn a_letter_is_acknowledged_once_between_its_receipt_and_now() {
    let bench = Bench::start().await;
    let letter = enter(&bench, &Caller::staff(), "").await.expect("entered");
    let id = &letter.privacy_complaint_id;
    for seconds in [0, 32_503_680_000] {
        let time = Some(Timestamp { seconds, nanos: 0 });
        assert_eq!(violated(&refused(acknowledge(&bench, id, time).await)), ["acknowledge_time"]);
    }
    let acknowledged = acknowledge(&bench, id, letter.receive_time).await.expect("acknowledged");
    assert_eq!(acknowledged.state(), State::Acknowledged);
    assert_eq!(acknowledged.acknowledge_time, letter.receive_time);
    let again = refused(acknowledge(&bench, id, None).await);
    assert_eq!(reason(&again), "PRIVACY_COMPLAINT_STATE");
    let by_mail = bench.complain(&ada()).await.expect("created").privacy_complaint_id;
    let acknowledged = refused(acknowledge(&bench, &by_mail, None).await);
    assert_eq!(reason(&acknowledged), "PRIVACY_COMPLAINT_STATE", "its mail did it");
    let nobodys = refused(acknowledge(&bench, NOBODYS, None).await);
    assert_eq!(reason(&nobodys), "PRIVACY_COMPLAINT_NOT_FOUND");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'privacy_complaint.acknowledge'").await, 1);
}
