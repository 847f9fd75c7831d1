//! `DownloadOrderFile`: the bytes that were uploaded, to the customer of the order and to staff.

use levqor_runtime::testing::Caller;
use tonic::Code;

use crate::support::{Bench, NO_ORDER, PDF, ada, reason, refused};

#[tokio::test]
async fn a_file_comes_back_byte_by_byte_to_those_who_may_have_it() {
    let (bench, _folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let content = [PDF, &content].concat();
    let pieces = content.chunks(64 << 10).map(<[u8]>::to_vec).collect();
    let file_id = bench.upload(&ada(), &order_id, "a.pdf", pieces).await.expect("stored").file_id;
    for caller in [ada(), Caller::staff()] {
        let (content_type, data) = bench.download(&caller, &order_id, &file_id).await.expect("a file");
        assert!(content_type == "application/pdf" && data == content, "the same bytes");
    }
    let bob = Caller::customer("bob", "bob@example.com");
    for (caller, file_id, expected) in
        [(bob, file_id.as_str(), "ORDER_NOT_FOUND"), (ada(), NO_ORDER, "FILE_NOT_FOUND")]
    {
        let status = refused(bench.download(&caller, &order_id, file_id).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, expected));
    }
}
