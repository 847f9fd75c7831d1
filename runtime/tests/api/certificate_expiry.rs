//! Until when a certificate is valid: `levqor doctor` reports on the file, and the metrics on the certificate in use.

use chrono::{DateTime, Days, NaiveDate, Utc};
use levqor_runtime::{
    check::{self, Line, Outcome},
    clock::Clock,
    metrics::{self, Format, Metrics},
    testing::{Authority, CertificateFiles, Signed, eventually},
};

use crate::probe::start_with;

const NAME: &str = "notifications";
const DNS: &str = "notifications.levqor.internal";

/// The doctor's line of the process with these files.
async fn line(files: &CertificateFiles) -> Line {
    let tls = files.read(NAME).expect("certificates");
    let mut lines = check::run(tls.check(NAME).into_iter().collect()).await;
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[tokio::test]
async fn the_doctor_reads_the_expiry_from_the_file_and_uses_the_first_expiry_of_several() {
    let authority = Authority::create();
    let files = authority.files(NAME);
    let valid = line(&files).await;
    assert_eq!(valid.name, "notifications.mesh_certificate");
    assert_eq!(valid.finding.outcome, Outcome::On);
    assert_eq!(valid.finding.evidence, "valid until 4000-01-01T00:00:00Z");

    let expired = authority.sign(&[DNS], 2020);
    let between = authority.sign(&["authority.example"], 2021).certificate;
    let own = authority.certify(NAME);
    let chain = Signed { certificate: format!("{}{between}", own.certificate), key: own.key };
    for (signed, time) in [(expired, "2020-01-01T00:00:00Z"), (chain, "2021-01-01T00:00:00Z")] {
        files.write(&signed, authority.certificate());
        let finding = line(&files).await.finding;
        assert_eq!(finding.outcome, Outcome::Failed);
        assert_eq!(finding.evidence, format!("expired at {time}: renew it"));
    }

    // The handshake only sends the other certificates, so an unreadable one is no reason to refuse the file.
    let unreadable = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    let own = authority.certify(NAME);
    let chain = Signed { certificate: format!("{}{unreadable}", own.certificate), key: own.key };
    files.write(&chain, authority.certificate());
    assert_eq!(line(&files).await.finding.evidence, "valid until 4000-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_certificate_with_a_short_life_gets_a_warning_in_the_last_third_of_its_life() {
    let authority = Authority::create();
    let files = authority.files(NAME);
    let today = Clock::default().now().date_naive();
    let sign = |begins: NaiveDate| authority.sign_between(&[DNS], begins, begins + Days::new(12));
    for (age, outcome) in [(2, Outcome::On), (10, Outcome::Warning)] {
        files.write(&sign(today - Days::new(age)), authority.certificate());
        let finding = line(&files).await.finding;
        assert_eq!(finding.outcome, outcome, "{age} days old: {}", finding.evidence);
    }
}

/// The exported time of the `expiry` or of the `renewal`, in seconds since 1970.
fn shown(metrics: &Metrics, what: &str) -> f64 {
    let page = metrics::render(std::slice::from_ref(metrics), Format::accepted("text/plain"));
    let is_it = |line: &&str| {
        line.starts_with(&format!("levqor_tls_certificate_{what}_timestamp_seconds{{"))
            && line.contains("certificate=\"mesh\"")
    };
    let line = page.lines().find(is_it).expect("the series");
    line.rsplit(' ').next().and_then(|seconds| seconds.parse().ok()).expect("a time")
}

#[tokio::test]
async fn the_metrics_are_of_the_certificate_in_use_and_follow_a_renewal() {
    let authority = Authority::create();
    let files = authority.files(NAME);
    let settings = files.settings();
    let service = start_with(&settings.each_ref().map(|(name, path)| (*name, path.as_str()))).await;
    let is_shown = |what: &str, time: &str| {
        let time: DateTime<Utc> = time.parse().expect("a time");
        let difference = shown(&service.running.chassis().metrics, what) - seconds(time);
        difference.abs() < 1.0
    };
    assert!(is_shown("expiry", "4000-01-01T00:00:00Z"));
    files.write(&authority.sign(&[DNS], 3000), authority.certificate());
    eventually("the renewed certificate is in use", || async {
        is_shown("expiry", "3000-01-01T00:00:00Z").then_some(())
    })
    .await;
    assert!(is_shown("renewal", "2999-12-18T00:00:00Z"));
    service.stop().await;
}

#[expect(clippy::cast_precision_loss, reason = "no test is about a year that far away")]
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp() as f64
}
