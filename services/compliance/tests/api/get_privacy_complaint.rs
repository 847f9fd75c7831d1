//! A customer gets their own complaint, and staff get every one.

use levqor_proto_compliance::v1::{GetPrivacyComplaintRequest, PrivacyComplaint};
use levqor_runtime::testing::{Caller, reason, refused};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada, bob},
    enter_privacy_complaint::enter,
};

pub(crate) async fn get(bench: &Bench, caller: &Caller, id: &str) -> Result<PrivacyComplaint, Status> {
    let request = GetPrivacyComplaintRequest { privacy_complaint_id: id.to_owned() };
    let found = bench.complaints().get_privacy_complaint(caller.request(request)).await?;
    Ok(found.into_inner().privacy_complaint.expect("a complaint"))
}

#[tokio::test]
async fn a_complaint_of_another_person_is_not_found() {
    let bench = Bench::start().await;
    let created = bench.complain(&ada()).await.expect("created");
    let id = &created.privacy_complaint_id;
    for sees in [ada(), Caller::staff()] {
        assert_eq!(get(&bench, &sees, id).await.expect("found").text, created.text);
    }
    for (caller, id) in [(bob(), id.as_str()), (Caller::staff(), NOBODYS)] {
        assert_eq!(reason(&refused(get(&bench, &caller, id).await)), "PRIVACY_COMPLAINT_NOT_FOUND");
    }
    let letter = enter(&bench, &Caller::staff(), "bob@example.com").await.expect("entered");
    get(&bench, &bob(), &letter.privacy_complaint_id).await.expect("it came from his address");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'personal_data.read'").await, 1);
}
