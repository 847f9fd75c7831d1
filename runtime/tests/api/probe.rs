//! A service that records its handlers' calls, and waits where a test wants it to. It uses the contracts of notifications, since
//! a test cannot add its own.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use chrono::TimeDelta;
use levqor_proto::mail::v1::{
    SendMessageRequest, SendMessageResponse,
    mail_service_client::MailServiceClient,
    mail_service_server::{MailService, MailServiceServer},
};
use levqor_proto::notifications::v1::{
    DeliverMessageRequest, DeliverMessageResponse, IngestResendEventRequest, IngestResendEventResponse,
    ListMessagesRequest, ListMessagesResponse,
    notifications_service_client::NotificationsServiceClient,
    notifications_service_server::{NotificationsService, NotificationsServiceServer},
};
use levqor_runtime::{
    chassis::Chassis,
    client::Peer,
    config::{Reader, Setting},
    context::Ctx,
    db::DbError,
    deferred,
    error::{Invalid, Violations},
    idempotency::IdempotencyError,
    rpc::{Done, State, call, mutate},
    schedule::Schedule,
    service::{Capability, Service, Tunnelled},
    service_error,
    testing::{Caller, TestService},
};
use sqlx::migrate::Migrator;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, service::RoutesBuilder};

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("tests/migrations");
    // This crate's sqlx.toml names the chassis' own history.
    migrator.dangerous_set_table_name("_sqlx_migrations");
    migrator
});

/// The message of the probe's scheduled call.
const SCHEDULED: &str = "scheduled";

/// The probe's state.
pub(crate) struct Probe {
    chassis: Chassis,
    /// Each handler takes one permit. Without permits the handlers wait.
    pub(crate) gate: Semaphore,
    /// Handlers that have reached the gate.
    pub(crate) at_gate: AtomicUsize,
    /// The running deliveries, and the most that ever ran at once.
    delivering: AtomicUsize,
    pub(crate) most_delivering: AtomicUsize,
}

impl State for Probe {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Probe {
    const NAME: &'static str = "notifications";
    const DESCRIPTORS: &'static [&'static [u8]] =
        &[levqor_proto::notifications::FILE_DESCRIPTOR_SET, levqor_proto::mail::FILE_DESCRIPTOR_SET];
    const CALLS: &'static [&'static [u8]] = levqor_proto::FILE_DESCRIPTOR_SETS;
    type Config = ();

    fn settings() -> Vec<Setting> {
        Vec::new()
    }
    fn config(_: &mut Reader<'_>) -> Option<()> {
        Some(())
    }
    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }
    async fn build((): (), chassis: Chassis) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            chassis,
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            at_gate: AtomicUsize::new(0),
            delivering: AtomicUsize::new(0),
            most_delivering: AtomicUsize::new(0),
        }))
    }
    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        routes.add_service(NotificationsServiceServer::new(Adapter(Arc::clone(self))));
        routes.add_service(MailServiceServer::new(Adapter(Arc::clone(self))));
    }
    fn tunnelled(self: &Arc<Self>, tunnelled: &mut Tunnelled) {
        tunnelled.add(self, ingest_resend_event);
    }
    fn capabilities(&self) -> Vec<Capability> {
        Vec::new()
    }
    fn schedules() -> Vec<Schedule> {
        let request = || DeliverMessageRequest { message_id: SCHEDULED.to_owned() };
        vec![Schedule::new("probe", TimeDelta::minutes(10), TimeDelta::minutes(10), request)]
    }
}

service_error! {
    /// The probe's errors: only those of the chassis.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        #[error(transparent)]
        Database(#[from] DbError) => source,
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
    }
}

impl Probe {
    async fn pass_gate(&self) {
        self.at_gate.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.expect("the gate stays").forget();
    }

    /// Closes the gate.
    pub(crate) fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Opens the gate again.
    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(1_000);
    }
}

async fn record(tx: &mut sqlx::PgConnection, effect: &str) -> Result<(), DbError> {
    sqlx::query("INSERT INTO effects (effect) VALUES ($1)").bind(effect).execute(tx).await?;
    Ok(())
}

/// Writes half of the effect before the gate and half after it, in one transaction. `panic` panics, `defer` defers.
async fn send_message(
    probe: &Probe,
    ctx: Ctx,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Error> {
    assert_ne!(request.about, "panic", "asked to");
    mutate(probe, &ctx, &request, async |tx| {
        record(tx, &format!("{}:begun", request.about)).await?;
        if request.about == "defer" {
            let deferred = DeliverMessageRequest { message_id: "deferred".to_owned() };
            deferred::defer(tx, &deferred, "deferred").await?;
        }
        probe.pass_gate().await;
        record(tx, &format!("{}:done", request.about)).await?;
        let message_id = format!("of {}", request.about);
        Ok(Done::unaudited(
            SendMessageResponse { message_id, duplicate: false },
            "only services make this call",
        ))
    })
    .await
}

/// Records that it was called. `panic` panics.
async fn deliver_message(
    probe: &Probe,
    _: Ctx,
    request: DeliverMessageRequest,
) -> Result<DeliverMessageResponse, Error> {
    assert_ne!(request.message_id, "panic", "asked to");
    let delivering = probe.delivering.fetch_add(1, Ordering::SeqCst) + 1;
    probe.most_delivering.fetch_max(delivering, Ordering::SeqCst);
    if request.message_id != SCHEDULED {
        probe.pass_gate().await;
    }
    probe.delivering.fetch_sub(1, Ordering::SeqCst);
    let mut tx = probe.chassis.db.begin().await?;
    record(&mut tx, &format!("{}:delivered", request.message_id)).await?;
    tx.commit().await?;
    Ok(DeliverMessageResponse::default())
}

/// Reads inside a transaction, and waits inside it.
async fn list_messages(probe: &Probe, _: Ctx, _: ListMessagesRequest) -> Result<ListMessagesResponse, Error> {
    let mut tx = probe.chassis.db.begin().await?;
    tx.now().await?;
    probe.pass_gate().await;
    tx.commit().await?;
    Ok(ListMessagesResponse::default())
}

/// Records the event's id. `panic` panics, `wait` waits at the gate, `unnamed` is refused.
async fn ingest_resend_event(
    probe: &Probe,
    ctx: Ctx,
    request: IngestResendEventRequest,
) -> Result<IngestResendEventResponse, Error> {
    let event_id = request.svix_id;
    assert_ne!(event_id, "panic", "asked to");
    if event_id == "wait" {
        probe.pass_gate().await;
    }
    if event_id == "unnamed" {
        let mut violations = Violations::new();
        violations.add("svix_id", "expected a name");
        violations.finish(None::<()>)?;
    }
    let mut conn = probe.chassis.db.acquire().await?;
    record(&mut conn, &format!("{event_id} of {}", ctx.actor.name())).await?;
    Ok(IngestResendEventResponse { event_id, ..Default::default() })
}

struct Adapter(Arc<Probe>);

#[tonic::async_trait]
impl MailService for Adapter {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        call(&self.0, request, send_message).await
    }
}

#[tonic::async_trait]
impl NotificationsService for Adapter {
    async fn deliver_message(
        &self,
        request: Request<DeliverMessageRequest>,
    ) -> Result<Response<DeliverMessageResponse>, Status> {
        call(&self.0, request, deliver_message).await
    }
    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesResponse>, Status> {
        call(&self.0, request, list_messages).await
    }
    async fn ingest_resend_event(
        &self,
        request: Request<IngestResendEventRequest>,
    ) -> Result<Response<IngestResendEventResponse>, Status> {
        call(&self.0, request, ingest_resend_event).await
    }
}

/// Starts the probe.
pub(crate) async fn start() -> TestService<Probe> {
    start_with(&[]).await
}

/// Starts the probe with settings.
pub(crate) async fn start_with(settings: &[(&str, &str)]) -> TestService<Probe> {
    let service = TestService::start(settings).await;
    service.running.ready().await;
    service
}

/// A client of the probe.
pub(crate) fn client(service: &TestService<Probe>) -> NotificationsServiceClient<Peer> {
    NotificationsServiceClient::new(service.channel())
}

/// A client of the probe's mail service.
pub(crate) fn mail(service: &TestService<Probe>) -> MailServiceClient<Peer> {
    MailServiceClient::new(service.channel())
}

/// A request from billing to send a message about this, with this key.
pub(crate) fn send(about: &str, key: &str) -> Request<SendMessageRequest> {
    let message = SendMessageRequest { about: about.to_owned(), ..Default::default() };
    Caller::service("billing", "notifications").with_key(key).request(message)
}

/// The recorded effects of the handlers, in order, without the schedule's.
pub(crate) async fn effects(service: &TestService<Probe>) -> Vec<String> {
    sqlx::query_scalar("SELECT effect FROM effects WHERE effect <> 'scheduled:delivered'")
        .fetch_all(service.db.pool())
        .await
        .expect("effects")
}

/// How often the scheduled call was made.
pub(crate) async fn scheduled(service: &TestService<Probe>) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM effects WHERE effect = 'scheduled:delivered'")
        .fetch_one(service.db.pool())
        .await
        .expect("effects")
}

/// The number of deferred calls.
pub(crate) async fn deferred(service: &TestService<Probe>) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM runtime.work").fetch_one(service.db.pool()).await.expect("count")
}

/// The number of the service's connections inside a transaction.
pub(crate) async fn in_transaction(service: &TestService<Probe>) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'levqor-notifications'
           AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(service.db.pool())
    .await
    .expect("activity")
}
