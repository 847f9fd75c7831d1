//! `UpdateCannedReply`: name and text change together, and a name stays unique.

use levqor_proto_support::v1::{CannedReply, UpdateCannedReplyRequest};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, NOBODYS};

#[tokio::test]
async fn a_canned_reply_changes_and_its_name_stays_unique() {
    let bench = Bench::start().await;
    let staff = Caller::staff();
    let id = bench.canned(&staff, "One", "1").await.expect("created").canned_reply_id;
    bench.canned(&staff, "Two", "2").await.expect("created");
    let update = async |id: &str, name: &str, text: &str| -> Result<CannedReply, tonic::Status> {
        let (canned_reply_id, name, text) = (id.to_owned(), name.to_owned(), text.to_owned());
        let request = staff.request(UpdateCannedReplyRequest { canned_reply_id, name, text });
        let updated = bench.canned_replies().update_canned_reply(request).await?;
        Ok(updated.into_inner().canned_reply.expect("a canned reply"))
    };
    let updated = update(&id, "One", "{{plan}}").await.expect("updated");
    assert_eq!(updated.text, "{{plan}}");
    assert_eq!(reason(&refused(update(&id, "Two", "2").await)), "CANNED_REPLY_EXISTS");
    assert_eq!(reason(&refused(update(NOBODYS, "Three", "3").await)), "CANNED_REPLY_NOT_FOUND");
    assert_eq!(violated(&refused(update("x", "", "").await)), ["canned_reply_id", "name", "text"]);
    assert_eq!(bench.count("canned_replies WHERE name = 'One' AND text = '{{plan}}'").await, 1);
}
