//! `DownloadLinkedOrderFile`: a guest downloads a file of the link's order, and of no other.

use futures_util::TryStreamExt;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_billing::v1::DownloadLinkedOrderFileRequest;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, PDF, event, reason, refused, session, with};

impl Bench {
    async fn download_by_link(&self, link_token: &str, file_id: &str) -> Result<Vec<u8>, Status> {
        let (link_token, file_id) = (link_token.to_owned(), file_id.to_owned());
        let request = Caller::anonymous().request(DownloadLinkedOrderFileRequest { link_token, file_id });
        let messages = self.order_client().download_linked_order_file(request).await?.into_inner();
        let messages: Vec<HttpBody> = messages.try_collect().await?;
        Ok(messages.into_iter().flat_map(|message| message.data).collect())
    }
}

#[tokio::test]
async fn a_link_opens_the_files_of_its_order_only() {
    let (bench, _folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let link_token = bench.link_token().await;
    let bobs = with(session("cs_bob"), &[("customer_details", json!({"email": "bob@example.com"}))]);
    bench.process(&event("evt_bob", "checkout.session.completed", &bobs)).await;
    let bob = Caller::customer("bob", "bob@example.com");
    let bobs_order = bench.orders(&bob).await[0].order_id.clone();
    let mut files = Vec::new();
    for order_id in [&order_id, &bobs_order] {
        let file = bench.upload(&Caller::staff(), order_id, "a.pdf", vec![PDF.to_vec()]).await;
        files.push(file.expect("stored").file_id);
    }
    assert_eq!(bench.download_by_link(&link_token, &files[0]).await.expect("its file"), PDF);
    for (token, file_id, expected) in
        [(link_token.as_str(), &files[1], "FILE_NOT_FOUND"), ("1", &files[0], "LINK_NOT_FOUND")]
    {
        let status = refused(bench.download_by_link(token, file_id).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, expected));
    }
}
