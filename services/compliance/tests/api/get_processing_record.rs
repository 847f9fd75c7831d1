//! The record of processing activities is made from what the tables declare.

use levqor_proto_compliance::v1::{GetProcessingRecordRequest, record_service_client::RecordServiceClient};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada};

#[tokio::test]
async fn the_record_has_the_tables_of_every_service_that_answers_and_names_the_others() {
    let bench = Bench::start().await;
    let request = Caller::staff().request(GetProcessingRecordRequest {});
    let record = RecordServiceClient::new(bench.channel()).get_processing_record(request).await;
    let record = record.expect("a record").into_inner();
    // This mesh consists of compliance alone.
    assert_eq!(record.unanswered, ["billing", "notifications", "support"]);
    let own = record.activities.iter().find(|it| it.service == "compliance").expect("its activity");
    let table = own.tables.iter().find(|it| it.table == "data_requests").expect("a table");
    let email = table.columns.iter().find(|it| it.column == "email").expect("a column");
    assert_eq!((email.category.as_str(), email.is_kept), ("EMAIL", false));
    assert!(!table.description.is_empty() && !record.controller.is_empty());
    assert!(record.recipients.iter().any(|it| it.name == "Stripe"));
    let request = ada().request(GetProcessingRecordRequest {});
    assert!(RecordServiceClient::new(bench.channel()).get_processing_record(request).await.is_err());
}
