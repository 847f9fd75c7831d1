//! Every capability that is off says why.

use levqor_compliance::Compliance;
use levqor_proto_compliance::v1::{
    CreateDataRequestRequest, Right, data_request_service_client::DataRequestServiceClient,
};
use levqor_runtime::{
    check::{self, Outcome},
    id,
    service::Service,
    testing::{self, TestService, drive::FakeDrive, reason},
};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn without_a_storage_no_request_is_taken() {
    let service = TestService::<Compliance>::start(&[]).await;
    service.running.ready().await;
    let request = CreateDataRequestRequest { right: Right::Access.into(), ..Default::default() };
    let mut client = DataRequestServiceClient::new(service.channel());
    let refused = client.create_data_request(ada().request(request)).await.expect_err("no storage");
    assert_eq!(reason(&refused), "EXPORTS_OFF");
}

#[tokio::test]
async fn google_drive_is_on_where_it_is_set_and_the_doctor_tries_it() {
    let drive = FakeDrive::start();
    for (bench, expected) in
        [(Bench::start().await, false), (Bench::start_with_drive(drive.settings()).await, true)]
    {
        let all = bench.running.service.capabilities();
        let found = all.iter().find(|it| it.name == "google_drive_storage").expect("a capability");
        assert_eq!(found.is_on(), expected, "{}", found.reason);
    }
    let settings = [&drive.settings()[..], &[("LEVQOR_STORAGE_DIR", "/tmp")]].concat();
    let url = testing::empty_database().await;
    for (settings, is_down, expected) in [
        (&settings[..], false, Outcome::On),
        (&settings[..], true, Outcome::Failed),
        (&[][..], true, Outcome::Off),
    ] {
        drive.set_down(is_down);
        let config = testing::config::<Compliance>(&url, settings);
        let lines = check::run(Compliance::checks(&config.own, None)).await;
        let line = lines.first().expect("a line");
        assert_eq!(line.name, "compliance.google_drive_storage");
        assert_eq!(line.finding.outcome, expected, "{}", line.finding.evidence);
    }
    assert_eq!(drive.names(), Vec::<String>::new(), "the probes leave nothing");
}

/// The doctor's line about the storage, with these settings.
async fn storage(settings: &[(&str, &str)]) -> (Outcome, String) {
    let config = testing::config::<Compliance>(&testing::empty_database().await, settings);
    let lines = check::run(Compliance::checks(&config.own, None)).await;
    let line = lines.into_iter().find(|line| line.name == "compliance.storage").expect("a line");
    (line.finding.outcome, line.finding.evidence)
}

#[tokio::test]
async fn the_doctor_tries_the_storage_of_copies_and_of_the_ledger() {
    let folder = std::env::temp_dir().join(format!("levqor-compliance-{}", id::request_id()));
    let path = folder.to_string_lossy().into_owned();
    let set = [("LEVQOR_STORAGE_DIR", path.as_str())];
    let unset = "neither LEVQOR_STORAGE_DIR nor LEVQOR_STORAGE_S3_BUCKET is set".to_owned();
    assert_eq!(storage(&[]).await, (Outcome::Off, unset));
    let absent = "the folder of LEVQOR_STORAGE_DIR does not exist yet".to_owned();
    assert_eq!(storage(&set).await, (Outcome::Off, absent));
    std::fs::create_dir(&folder).expect("a folder");
    let works = "the folder of LEVQOR_STORAGE_DIR takes files and gives them back".to_owned();
    assert_eq!(storage(&set).await, (Outcome::On, works));
    // Root may write anywhere, but a file cannot be a folder.
    std::fs::remove_dir_all(&folder).expect("removed");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("probes"), b"").expect("a file");
    let (outcome, evidence) = storage(&set).await;
    assert_eq!(outcome, Outcome::Failed, "{evidence}");
    std::fs::remove_dir_all(folder).expect("tidy");
}
