//! `CreateCannedReply`: a name is unique, and only known placeholders are accepted.

use levqor_proto_support::v1::{
    CannedReply, CreateCannedReplyRequest, canned_reply_service_client::CannedReplyServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, reason, refused, violated},
};

use crate::bench::Bench;

impl Bench {
    pub(crate) fn canned_replies(&self) -> CannedReplyServiceClient<Peer> {
        CannedReplyServiceClient::new(self.service.channel())
    }

    pub(crate) async fn canned(
        &self,
        caller: &Caller,
        name: &str,
        text: &str,
    ) -> Result<CannedReply, tonic::Status> {
        let request = CreateCannedReplyRequest { name: name.to_owned(), text: text.to_owned() };
        let created = self.canned_replies().create_canned_reply(caller.request(request)).await?;
        Ok(created.into_inner().canned_reply.expect("a canned reply"))
    }
}

#[tokio::test]
async fn a_canned_reply_is_created_once_with_known_placeholders() {
    let bench = Bench::start().await;
    let staff = Caller::staff();
    let created = bench.canned(&staff, " Screenshot ", "Hello {{customer.name}}").await.expect("created");
    assert_eq!((created.name.as_str(), created.text.as_str()), ("Screenshot", "Hello {{customer.name}}"));
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'canned_reply.create'").await, 1);
    let again = bench.canned(&staff, "Screenshot", "Other").await;
    assert_eq!(reason(&refused(again)), "CANNED_REPLY_EXISTS");
    assert_eq!(violated(&refused(bench.canned(&staff, "", "").await)), ["name", "text"]);
    for text in ["{{customer.email}}", "{{plan"] {
        assert_eq!(violated(&refused(bench.canned(&staff, "Other", text).await)), ["text"], "{text}");
    }
}
