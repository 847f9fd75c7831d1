//! A database that accepts connections but does not work: its packets are dropped, it is read-only, or its disk is full.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use levqor_proto::runtime::v1::{
    Check, GetStatusRequest, GetStatusResponse, status_service_client::StatusServiceClient,
};
use levqor_runtime::{
    db::DatabaseUrl,
    testing::{Caller, TestService, cluster, database, eventually},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::probe::{self, Probe};

/// How long the gateway waits for the status of a service.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(2);

async fn status(service: &TestService<Probe>) -> GetStatusResponse {
    let request = Caller::service("gateway", "notifications").request(GetStatusRequest::default());
    StatusServiceClient::new(service.channel()).get_status(request).await.expect("status").into_inner()
}

fn check<'s>(status: &'s GetStatusResponse, name: &str) -> &'s Check {
    status.checks.iter().find(|check| check.name == name).expect("the check")
}

async fn is_serving(service: &TestService<Probe>) -> bool {
    let health = HealthClient::new(service.channel()).check(HealthCheckRequest::default()).await;
    health.expect("an answer").get_ref().status() == ServingStatus::Serving
}

/// Copies one direction of a connection. When `dropping` is set, it drops the bytes.
fn copy(mut from: impl Read, mut to: impl Write, dropping: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !dropping.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// A TCP proxy to the test cluster. It can drop packets silently, as a firewall does.
fn proxy_to(url: &DatabaseUrl) -> (SocketAddr, Arc<AtomicBool>) {
    let folder = url.options().get_socket().expect("the cluster listens on a socket");
    let socket = folder.join(".s.PGSQL.5432");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let dropping = Arc::new(AtomicBool::new(false));
    let drops = Arc::clone(&dropping);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) =
                (client.expect("a client"), UnixStream::connect(&socket).expect("the cluster"));
            let (to_client, to_server) =
                (client.try_clone().expect("a half"), server.try_clone().expect("a half"));
            let (there, back) = (Arc::clone(&drops), Arc::clone(&drops));
            thread::spawn(move || {
                copy(client, &to_server, &there);
                let _ = to_server.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                copy(server, &to_client, &back);
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    (address, dropping)
}

#[tokio::test]
async fn while_packets_to_the_database_are_dropped_the_status_names_it_in_time() {
    let url = database::<Probe>().await;
    let name = url.options().get_database().expect("a name").to_owned();
    let (proxy, dropping) = proxy_to(&url);
    let through: DatabaseUrl =
        format!("postgres://levqor@{proxy}/{name}?sslmode=disable").parse().expect("a URL");
    let service = TestService::<Probe>::start_on(through, &[]).await;
    service.running.ready().await;
    assert!(status(&service).await.ready);
    dropping.store(true, Ordering::SeqCst);
    eventually("the status names the database", || async {
        let begun = Instant::now();
        let status = status(&service).await;
        assert!(begun.elapsed() < GATEWAY_TIMEOUT, "{:?}", begun.elapsed());
        (!status.ready && !check(&status, "database").ok).then_some(())
    })
    .await;
    // This also holds after the probe has timed out.
    eventually("it is not ready", || async { (!is_serving(&service).await).then_some(()) }).await;
    for _ in 0..20 {
        let begun = Instant::now();
        let status = status(&service).await;
        assert!(begun.elapsed() < GATEWAY_TIMEOUT, "{:?}", begun.elapsed());
        assert!(!check(&status, "database").ok, "{:?}", status.checks);
    }
    dropping.store(false, Ordering::SeqCst);
    service.running.ready().await;
    service.stop().await;
}

/// Changes a setting of the service's database, and ends the connections with the old setting.
async fn set(service: &TestService<Probe>, setting: &str) {
    let server = cluster().database("postgres").expect("url");
    let mut conn = PgConnection::connect_with(server.options()).await.expect("the cluster");
    let name = service.url.options().get_database().expect("a name");
    let statements = format!(
        "ALTER DATABASE {name} {setting};
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut conn).await.expect("set");
}

#[tokio::test]
async fn a_service_whose_database_accepts_no_writes_is_not_ready_and_shows_the_reason() {
    for (setting, undo, reason) in [
        (
            "SET default_transaction_read_only = on",
            "RESET default_transaction_read_only",
            "only accepts reads",
        ),
        ("SET temp_file_limit = 64", "RESET temp_file_limit", "has no room"),
    ] {
        let service = probe::start().await;
        eventually("writes are accepted", || async {
            check(&status(&service).await, "database_writes").ok.then_some(())
        })
        .await;
        set(&service, setting).await;
        let status = eventually("it is not ready", || async {
            let status = status(&service).await;
            (!status.ready && check(&status, "database").ok).then_some(status)
        })
        .await;
        let writes = check(&status, "database_writes");
        assert!(!writes.ok && writes.detail.contains(reason), "{writes:?}");
        eventually("calls go elsewhere", || async { (!is_serving(&service).await).then_some(()) }).await;
        set(&service, undo).await;
        service.running.ready().await;
        service.stop().await;
    }
}
