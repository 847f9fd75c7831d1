//! The status of a service: its migrations, its schedules, and its health by name.

use levqor_proto::runtime::v1::{
    GetStatusRequest, GetStatusResponse, Schedule, TestErrorReportsRequest,
    status_service_client::StatusServiceClient,
};
use levqor_runtime::testing::{Caller, TestService, eventually, spawn};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    probe::{self, Probe},
    sink::Sink,
};

async fn status(service: &TestService<Probe>) -> GetStatusResponse {
    let request = Caller::service("gateway", "notifications").request(GetStatusRequest::default());
    StatusServiceClient::new(service.channel()).get_status(request).await.expect("status").into_inner()
}

async fn health(service: &TestService<Probe>, name: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: name.to_owned() };
    let health = HealthClient::new(service.channel()).check(request).await;
    health.map(|health| health.get_ref().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn the_status_has_versions_migrations_and_the_time_since_it_is_ready() {
    let service = probe::start().await;
    let status = status(&service).await;
    assert!(status.ready && !status.version.is_empty() && status.protocol.starts_with("v1-"));
    let migrations = status.migrations.expect("migrations");
    assert!(migrations.applied >= 7, "{migrations:?}");
    assert_eq!((migrations.pending, migrations.unknown), (0, 0));
    let since = status.ready_change_time.expect("since when");
    let measured = status.checks[0].check_time.expect("when");
    assert!((since.seconds, since.nanos) <= (measured.seconds, measured.nanos));
    assert!((0..10_000).contains(&status.checks[0].age_ms), "{}", status.checks[0].age_ms);
    service.stop().await;
}

#[tokio::test]
async fn the_status_has_the_last_and_the_next_slot_of_each_schedule() {
    let service = probe::start().await;
    // A slot that has just begun is run within a second.
    let is_run = |schedule: &Schedule| {
        let seconds = |time: Option<prost_types::Timestamp>| time.map(|time| time.seconds);
        let (last, next) = (seconds(schedule.last_slot_time), seconds(schedule.next_slot_time));
        schedule.last_run_time.is_some() && last.map(|last| last + schedule.period_s) == next
    };
    let schedules = eventually("the present slot of every schedule was run", || async {
        let schedules = status(&service).await.schedules;
        (!schedules.is_empty() && schedules.iter().all(is_run)).then_some(schedules)
    })
    .await;
    let shown: Vec<_> = schedules.iter().map(|it| (it.name.as_str(), it.period_s, it.late)).collect();
    assert_eq!(shown, [("probe", 600, false), ("purge_expired", 3600, false)]);
    for schedule in schedules {
        let last = schedule.last_slot_time.expect("a slot").seconds;
        assert_eq!(last % schedule.period_s, 0, "{}", schedule.name);
    }
    service.stop().await;
}

#[tokio::test]
async fn each_grpc_service_reports_its_health_by_name_until_the_drain_begins() {
    let names = [
        "",
        "levqor.mail.v1.MailService",
        "levqor.notifications.v1.NotificationsService",
        "levqor.runtime.v1.GuardService",
        "levqor.runtime.v1.StatusService",
        "levqor.runtime.v1.WorkService",
    ];
    let url = levqor_runtime::testing::database::<Probe>().await;
    let service = TestService::<Probe>::start_on(url, &[("LEVQOR_DRAIN_DELAY_MS", "60000")]).await;
    service.running.ready().await;
    for name in names {
        let serving = || async { (health(&service, name).await == Ok(ServingStatus::Serving)).then_some(()) };
        eventually("it serves", serving).await;
    }
    assert_eq!(health(&service, "levqor.billing.v1.BillingService").await, Err(Code::NotFound));
    let channel = service.channel();
    let drain = spawn(service.stop());
    for name in names {
        eventually("it does not serve any more", || async {
            let request = HealthCheckRequest { service: name.to_owned() };
            let health = HealthClient::new(channel.clone()).check(request).await.ok()?;
            (health.get_ref().status() == ServingStatus::NotServing).then_some(())
        })
        .await;
    }
    drain.abort();
}

#[tokio::test]
async fn if_error_reports_are_on_a_schedule_sends_a_test_and_its_result_is_stored() {
    let sink = Sink::start().await;
    let service = probe::start_with(&[("SENTRY_DSN", &sink.dsn())]).await;
    let test = eventually("a test has arrived", || async {
        status(&service).await.error_report_test.filter(|test| test.last_success_time.is_some())
    })
    .await;
    assert_eq!((test.last_failure_time, test.failure.as_str()), (None, ""));
    let [event] = sink.events().try_into().expect("one event");
    let has = |field: &str, value: &str| assert_eq!(event[field], value, "{event}");
    has("message", "This is a test by notifications: reports of errors arrive.");
    has("environment", "development");
    has("level", "info");
    assert_eq!(event["tags"]["levqor.service"], "notifications");
    assert_eq!(event["fingerprint"][0], "levqor-self-test");
    service.stop().await;
}

#[tokio::test]
async fn a_test_that_does_not_arrive_is_stored_with_its_reason_and_retried() {
    let sink = Sink::start().await;
    sink.refuse(Some(403));
    let service = probe::start_with(&[("SENTRY_DSN", &sink.dsn())]).await;
    let failed =
        || async { status(&service).await.error_report_test.filter(|test| test.last_failure_time.is_some()) };
    let test = eventually("a test has failed", failed).await;
    assert_eq!(test.last_success_time, None);
    assert_eq!(test.failure, "the server of SENTRY_DSN answered 403 Forbidden");
    sink.refuse(None);
    eventually("a later attempt arrives", || async {
        // The clock stays the same during an attempt. Otherwise, on a slow machine, every lease would expire.
        if service.count("runtime.work WHERE leased_until > runtime.now()").await == 0 {
            service.advance(chrono::TimeDelta::seconds(30)).await;
        }
        status(&service).await.error_report_test?.last_success_time
    })
    .await;
    assert!(sink.events().len() > 1, "the refused report also reached the server");
    service.stop().await;
}

#[tokio::test]
async fn if_error_reports_are_off_no_test_is_sent() {
    let service = probe::start().await;
    let request = Caller::service("notifications", "notifications").request(TestErrorReportsRequest {});
    let answer = StatusServiceClient::new(service.channel()).test_error_reports(request).await;
    assert_eq!(answer.expect("answered").get_ref().event_id, "");
    let status = status(&service).await;
    assert_eq!(status.error_report_test, None);
    let sentry = status.capabilities.iter().find(|capability| capability.name == "sentry");
    assert!(sentry.is_some_and(|sentry| !sentry.reason.is_empty()), "{:?}", status.capabilities);
    service.stop().await;
}
