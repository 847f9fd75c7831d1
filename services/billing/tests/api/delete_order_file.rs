//! `DeleteOrderFile`: deletes the row of a file and its content.

use levqor_proto_billing::v1::DeleteOrderFileRequest;
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, PDF, ada, audited, reason, refused};

impl Bench {
    async fn delete_file(&self, caller: &Caller, order_id: &str, file_id: &str) -> Result<(), Status> {
        let (order_id, file_id) = (order_id.to_owned(), file_id.to_owned());
        let request = caller.request(DeleteOrderFileRequest { order_id, file_id });
        self.order_client().delete_order_file(request).await.map(drop)
    }
}

#[tokio::test]
async fn a_deleted_file_is_gone_with_its_content() {
    let (bench, folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let file_id = bench.upload(&ada(), &order_id, "a.pdf", vec![PDF.to_vec()]).await.expect("stored").file_id;
    let bob = Caller::customer("bob", "bob@example.com");
    let status = refused(bench.delete_file(&bob, &order_id, &file_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    bench.delete_file(&ada(), &order_id, &file_id).await.expect("deleted");
    assert!(bench.shown(&order_id).await.files.is_empty());
    let status = refused(bench.download(&ada(), &order_id, &file_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "FILE_NOT_FOUND"));
    bench.sweep().await;
    eventually("nothing is left", || async {
        (folder.contents() == 0 && bench.count("order_files").await == 0).then_some(())
    })
    .await;
    let ids = json!({"order_id": order_id, "file_id": file_id});
    assert_eq!(audited(&bench, "order_file.delete").await, [ids]);
}

#[tokio::test]
async fn a_customer_cannot_delete_what_staff_uploaded() {
    let (bench, _folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let file = bench.upload(&Caller::staff(), &order_id, "a", vec![PDF.to_vec()]).await.expect("stored");
    let status = refused(bench.delete_file(&ada(), &order_id, &file.file_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "FILE_OF_STAFF"));
    bench.delete_file(&Caller::staff(), &order_id, &file.file_id).await.expect("deleted");
}
