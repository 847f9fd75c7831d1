//! `UploadLinkedOrderFile`: a guest uploads a file by the link in the mail.

use futures_util::stream;
use levqor_proto_billing::v1::{OrderFile, OrderParty, UploadLinkedOrderFileRequest};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::support::{Bench, PDF, ada, body, reason, refused, violated};

impl Bench {
    pub(crate) async fn upload_by_link(&self, link_token: &str, name: &str) -> Result<OrderFile, Status> {
        let (link_token, name) = (link_token.to_owned(), name.to_owned());
        let first = UploadLinkedOrderFileRequest { link_token, name, file: None };
        let content = UploadLinkedOrderFileRequest { file: Some(body(PDF)), ..Default::default() };
        let request = Caller::anonymous().request(stream::iter([first, content]));
        let response = self.order_client().upload_linked_order_file(request).await?;
        Ok(response.into_inner().file.expect("a file"))
    }
}

#[tokio::test]
async fn a_guests_file_is_the_customers() {
    let (bench, folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let link_token = bench.link_token().await;
    let file = bench.upload_by_link(&link_token, "brief.pdf").await.expect("stored");
    assert_eq!((file.uploader(), file.content_type.as_str()), (OrderParty::Customer, "application/pdf"));
    assert_eq!(bench.download(&ada(), &order_id, &file.file_id).await.expect("hers").1, PDF);
    assert_eq!(violated(&refused(bench.upload_by_link(&link_token, "brief.exe").await)), ["name"]);
    let status = refused(bench.upload_by_link("1", "brief.pdf").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    assert_eq!(folder.contents(), 1);
}
