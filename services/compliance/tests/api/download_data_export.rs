//! The owner of a data request downloads its copy.

use levqor_proto_compliance::v1::{DownloadDataExportRequest, Right, data_request::State};
use levqor_runtime::testing::reason;

use crate::{
    bench::{Bench, ada, bob},
    build_data_export::opened,
};

#[tokio::test]
async fn downloads_are_counted_and_recorded_and_for_the_owner_only() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    for _ in 0..2 {
        assert!(opened(&bench, &ada(), &id).await.len() > 3);
    }
    assert_eq!(bench.get(&ada(), &id).await.expect("found").export.expect("a copy").download_count, 2);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'data_export.download'").await, 2);
    let request = DownloadDataExportRequest { data_request_id: id };
    let refused = bench.client().download_data_export(bob().request(request)).await.expect_err("not his");
    assert_eq!(reason(&refused), "DATA_REQUEST_NOT_FOUND");
}
