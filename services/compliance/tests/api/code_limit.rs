//! Calls that guard a code are limited per caller, by the database: for all replicas, and over restarts.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use levqor_compliance::Compliance;
use levqor_proto_compliance::v1::{
    ConfirmDataRequestRequest, data_request_service_client::DataRequestServiceClient,
};
use levqor_proto_runtime::v1::{PurgeExpiredRequest, work_service_client::WorkServiceClient};
use levqor_runtime::{
    context::CLIENT_ADDRESS,
    db::DatabaseUrl,
    testing::{Caller, TestService, database, eventually, reason, retry_after},
};
use tonic::Status;

use crate::bench::{NOBODYS, ada};

/// A replica on this database, with this rate.
async fn replica(url: &DatabaseUrl, rate: &str) -> TestService<Compliance> {
    let settings = [("LEVQOR_RATE_LIMITS", "on"), ("LEVQOR_RATE_CODE", rate)];
    let service = TestService::start_on(url.clone(), &settings).await;
    service.running.ready().await;
    service
}

/// Tries a wrong code from this address, as the gateway tells it.
async fn try_code(service: &TestService<Compliance>, caller: &Caller, address: &str) -> Status {
    let request =
        ConfirmDataRequestRequest { data_request_id: NOBODYS.to_owned(), code: "123456".to_owned() };
    let mut request = caller.request(request);
    request.metadata_mut().insert(CLIENT_ADDRESS, address.parse().expect("a value"));
    let mut client = DataRequestServiceClient::new(service.channel());
    client.confirm_data_request(request).await.expect_err("a wrong code")
}

/// Makes this number of tries, and returns the reason of each.
async fn tries(
    service: &TestService<Compliance>,
    caller: &Caller,
    address: &str,
    count: usize,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for _ in 0..count {
        reasons.push(reason(&try_code(service, caller, address).await));
    }
    reasons
}

#[tokio::test]
async fn two_replicas_and_a_restart_give_a_caller_no_further_tries() {
    let url = database::<Compliance>().await;
    let (first, second) = (replica(&url, "5/900s").await, replica(&url, "5/900s").await);
    let (caller, address) = (Caller::anonymous(), "203.0.113.7");
    assert_eq!(tries(&first, &caller, address, 3).await, ["CODE_INVALID"; 3]);
    first.advance(TimeDelta::seconds(600)).await;
    assert_eq!(tries(&second, &caller, address, 2).await, ["CODE_INVALID"; 2]);
    for replica in [&first, &second] {
        let refused = try_code(replica, &caller, address).await;
        assert_eq!(reason(&refused), "RATE_LIMITED");
        let left = retry_after(&refused).expect("when to come back");
        assert!(left > Duration::from_secs(200) && left <= Duration::from_mins(5), "{left:?}");
    }
    // Other people are not limited by it, with or without a token.
    assert_eq!(tries(&first, &caller, "203.0.113.8", 1).await, ["CODE_INVALID"]);
    assert_eq!(tries(&second, &ada(), address, 1).await, ["CODE_INVALID"]);

    first.stop().await;
    second.stop().await;
    let restarted = replica(&url, "5/900s").await;
    assert_eq!(tries(&restarted, &caller, address, 1).await, ["RATE_LIMITED"]);
    // The first three tries are too old to count now; the other two still count.
    restarted.advance(TimeDelta::seconds(301)).await;
    let expected = ["CODE_INVALID", "CODE_INVALID", "CODE_INVALID", "RATE_LIMITED"];
    assert_eq!(tries(&restarted, &caller, address, 4).await, expected);
    restarted.stop().await;
}

#[tokio::test]
async fn tries_at_the_same_time_on_two_replicas_do_not_pass_the_limit() {
    let url = database::<Compliance>().await;
    let replicas = [replica(&url, "5/900s").await, replica(&url, "5/900s").await];
    let caller = Caller::anonymous();
    let all = (0..12).map(|n| try_code(&replicas[n % 2], &caller, "2001:db8:1:2::"));
    let reasons: Vec<_> = join_all(all).await.iter().map(reason).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "CODE_INVALID").count(), 5, "{reasons:?}");
    assert_eq!(reasons.iter().filter(|reason| *reason == "RATE_LIMITED").count(), 7, "{reasons:?}");
}

#[tokio::test]
async fn an_account_counts_from_every_address_and_staff_may_try_ten_times_as_often() {
    let url = database::<Compliance>().await;
    let service = replica(&url, "1/900s").await;
    assert_eq!(tries(&service, &ada(), "203.0.113.1", 1).await, ["CODE_INVALID"]);
    assert_eq!(tries(&service, &ada(), "203.0.113.2", 1).await, ["RATE_LIMITED"]);
    let reasons = tries(&service, &Caller::staff(), "203.0.113.1", 11).await;
    assert_eq!(reasons.iter().filter(|reason| *reason == "CODE_INVALID").count(), 10, "{reasons:?}");
    assert_eq!(reasons.last().map(String::as_str), Some("RATE_LIMITED"));
}

#[tokio::test]
async fn the_database_has_no_address_and_forgets_callers_whose_tries_are_too_old() {
    let url = database::<Compliance>().await;
    let service = replica(&url, "5/900s").await;
    tries(&service, &Caller::anonymous(), "203.0.113.7", 2).await;
    assert_eq!(service.count("runtime.code_callers WHERE octet_length(caller_hash) = 32").await, 1);
    let readable = "runtime.code_callers WHERE encode(caller_hash, 'escape') LIKE '%203.0.113.7%'";
    assert_eq!(service.count(readable).await, 0);
    purge(&service).await;
    assert_eq!(service.count("runtime.code_callers").await, 1, "it still counts");
    service.advance(TimeDelta::seconds(901)).await;
    // The schedule's own purge may hold the row, and this one skips locked rows.
    eventually("the caller is forgotten", || async {
        purge(&service).await;
        (service.count("runtime.code_callers").await == 0).then_some(())
    })
    .await;
}

/// Has the service purge what has expired, as its schedule does.
async fn purge(service: &TestService<Compliance>) {
    let request = Caller::service("compliance", "compliance").request(PurgeExpiredRequest {});
    WorkServiceClient::new(service.channel()).purge_expired(request).await.expect("purged");
}
