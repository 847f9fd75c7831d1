//! A service without its tables starts, reports that they are missing, and works as soon as they exist.

use levqor_proto::runtime::v1::{Check, GetStatusRequest, status_service_client::StatusServiceClient};
use levqor_runtime::{
    db::{
        Db,
        migrations::{self, MigrationError},
    },
    service::Service,
    testing::{Caller, TestService, connect, count, database, empty_database, eventually, execute},
};
use sqlx::migrate::MigrateError;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::probe::{Probe, mail, send};

#[tokio::test]
async fn on_an_empty_database_a_service_starts_and_shows_why_it_is_not_ready_until_the_migration() {
    let url = empty_database().await;
    let service = TestService::<Probe>::start_on(url.clone(), &[]).await;
    let status = || async {
        let request = Caller::service("gateway", "notifications").request(GetStatusRequest::default());
        StatusServiceClient::new(service.channel()).get_status(request).await.expect("status").into_inner()
    };
    // The service does not report ready: neither before the first measurement nor because of it.
    let health =
        HealthClient::new(service.channel()).check(HealthCheckRequest::default()).await.expect("health");
    assert_eq!(health.get_ref().status(), ServingStatus::NotServing);
    let measured = |checks: &[Check]| checks.iter().find(|check| check.check_time.is_some()).is_some();
    let before =
        eventually("it is measured", || async { Some(status().await).filter(|s| measured(&s.checks)) }).await;
    assert!(!before.ready);
    let migrations = before.checks.iter().find(|check| check.name == "migrations").expect("the check");
    assert!(migrations.detail.contains("levqor migrate"), "{}", migrations.detail);
    let refused = eventually("calls are refused", || async {
        mail(&service)
            .send_message(send("a", "k"))
            .await
            .err()
            .filter(|status| status.code() == Code::Unavailable)
    })
    .await;
    assert!(!refused.message().contains("relation"), "{}", refused.message());

    migrations::migrate(&url, Probe::migrator()).await.expect("migrated");
    eventually("ready without a restart", || async { status().await.ready.then_some(()) }).await;
    eventually("its health is serving, too", || async {
        let health = HealthClient::new(service.channel()).check(HealthCheckRequest::default()).await;
        health.ok().filter(|health| health.get_ref().status() == ServingStatus::Serving).map(|_| ())
    })
    .await;
    mail(&service).send_message(send("a", "k")).await.expect("it works");
    service.stop().await;
}

#[tokio::test]
async fn with_newer_migrations_a_service_is_ready_and_shows_them() {
    let service = crate::probe::start().await;
    record_newer(&service.db, "runtime.migrations").await;
    let ahead = eventually("the status shows that the database is ahead", || async {
        let request = Caller::service("gateway", "notifications").request(GetStatusRequest::default());
        let status = StatusServiceClient::new(service.channel()).get_status(request).await;
        let status = status.expect("status").into_inner();
        status.migrations.as_ref().is_some_and(|migrations| migrations.unknown == 1).then_some(status)
    })
    .await;
    assert!(ahead.ready, "{:?}", ahead.checks);
    let migrations = ahead.checks.iter().find(|check| check.name == "migrations").expect("the check");
    assert_eq!(migrations.detail, "1 of a newer version were run; they are compatible");
    mail(&service).send_message(send("a", "k")).await.expect("it works");
    service.stop().await;
}

#[tokio::test]
async fn a_rollback_accepts_newer_migrations_but_not_removed_or_edited_ones() {
    let url = database::<Probe>().await;
    let db = connect(&url);
    for history in ["runtime.migrations", "_sqlx_migrations"] {
        record_newer(&db, history).await;
    }
    migrations::migrate(&url, Probe::migrator()).await.expect("migrations of a newer binary are ignored");
    for history in ["runtime.migrations", "_sqlx_migrations"] {
        assert_eq!(count(&db, &format!("{history} WHERE version = 99999999999999")).await, 1, "{history}");
    }

    let first = "WHERE version = (SELECT min(version) FROM runtime.migrations)";
    execute(&db, &format!("UPDATE runtime.migrations SET version = version + 1 {first}")).await;
    let removed = migrations::migrate(&url, Probe::migrator()).await.expect_err("one is of another build");
    assert!(matches!(removed, MigrationError::Migrate(MigrateError::VersionMissing(_))), "{removed:?}");
    execute(&db, &format!("UPDATE runtime.migrations SET version = version - 1, checksum = '' {first}"))
        .await;
    let edited = migrations::migrate(&url, Probe::migrator()).await.expect_err("one is of another build");
    assert!(matches!(edited, MigrationError::Migrate(MigrateError::VersionMismatch(_))), "{edited:?}");
}

#[tokio::test]
async fn migrations_end_with_statistics_of_the_tables_that_have_rows_and_of_no_empty_one() {
    let url = database::<Probe>().await;
    let db = connect(&url);
    // Too few rows for autovacuum to analyse the table.
    execute(&db, "CREATE TABLE filled AS SELECT n FROM generate_series(1, 10) AS n").await;
    execute(&db, "CREATE TABLE vacant (n int)").await;
    migrations::migrate(&url, Probe::migrator()).await.expect("migrated");
    // `reltuples` is -1 until PostgreSQL has analysed the table.
    assert_eq!(count(&db, "pg_class WHERE relname = 'filled' AND reltuples = 10").await, 1);
    assert_eq!(count(&db, "pg_class WHERE relname = 'vacant' AND reltuples = -1").await, 1);
}

/// Records a migration that only a newer binary knows.
async fn record_newer(db: &Db, history: &str) {
    let sql = format!(
        "INSERT INTO {history} (version, description, success, checksum, execution_time)
         VALUES (99999999999999, 'of a newer binary', true, '', 0)"
    );
    execute(db, &sql).await;
}
