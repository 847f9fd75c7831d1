//! The record of processing activities is made from the declarations of the tables.

use levqor_proto_compliance::v1::{
    GetProcessingRecordRequest, GetProcessingRecordResponse, Recipient, recipient::State,
    record_service_client::RecordServiceClient,
};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada};

/// The record, for staff.
async fn record(bench: &Bench) -> GetProcessingRecordResponse {
    let request = Caller::staff().request(GetProcessingRecordRequest {});
    let record = RecordServiceClient::new(bench.channel()).get_processing_record(request).await;
    record.expect("a record").into_inner()
}

#[tokio::test]
async fn the_record_has_the_tables_of_every_service_that_answers_and_names_the_others() {
    let bench = Bench::start().await;
    let record = record(&bench).await;
    // This mesh consists of compliance alone.
    assert_eq!(record.unanswered, ["billing", "notifications", "support"]);
    let own = record.activities.iter().find(|it| it.service == "compliance").expect("its activity");
    let table = own.tables.iter().find(|it| it.table == "data_requests").expect("a table");
    let email = table.columns.iter().find(|it| it.column == "email").expect("a column");
    assert_eq!((email.category.as_str(), email.is_kept), ("EMAIL", false));
    assert!(!table.description.is_empty() && !record.controller.is_empty());
    let request = ada().request(GetProcessingRecordRequest {});
    assert!(RecordServiceClient::new(bench.channel()).get_processing_record(request).await.is_err());
}

#[tokio::test]
async fn a_company_is_on_or_off_as_the_settings_say() {
    let name = "The provider of the bucket";
    for (bench, state, host) in [
        (Bench::start().await, State::Off, ""),
        (Bench::start_without_its_bucket().await, State::Active, "127.0.0.1"),
    ] {
        let record = record(&bench).await;
        let found = record.recipients.iter().find(|it| it.name == name).expect("a recipient");
        assert_eq!((found.state(), found.host.as_str()), (state, host), "{found:?}");
        assert_eq!(found.services, ["compliance"]);
        assert!(found.categories.contains(&"EMAIL".to_owned()), "{found:?}");
        assert!(found.transfer.starts_with("To be completed by the operator"), "{found:?}");
        let database = record.recipients.iter().find(|it| it.setting == "LEVQOR_DATABASE_URL");
        assert_eq!(database.map(Recipient::state), Some(State::Active));
    }
}
