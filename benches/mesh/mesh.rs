//! The mesh under load: each role is a release process of its own, and PostgreSQL runs with fsync.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use levqor_runtime::testing::process::{Process, Signal, free_port};
use sqlx::PgPool;
use tokio::net::TcpStream;

use crate::{
    load::SECRET,
    roles::{Role, THIS_BUILD, levqor, serve},
    server::Server,
};

/// Whether any deferred call is waiting. The next step of a flow waits for its day, and does not count.
const WAITING: &str = "SELECT EXISTS (
    SELECT FROM runtime.work
    WHERE state = 'WAITING' AND (attempts > 0 OR due_time < create_time + interval '1 hour')
)";

/// The numbers of orders and mails that resulted from events.
pub(crate) struct Effects {
    /// Orders.
    pub(crate) orders: i64,
    /// Mails in the local mailbox.
    pub(crate) mails: i64,
}

/// A port for each of `Role::ALL`.
type Ports = [SocketAddr; Role::ALL.len()];

/// The mesh under load.
pub(crate) struct Mesh {
    server: Rc<Server>,
    binary: PathBuf,
    databases: Vec<String>,
    ports: Ports,
    processes: RefCell<Vec<Process>>,
    billing: PgPool,
    notifications: PgPool,
}

impl Mesh {
    /// Starts everything.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let server = Rc::new(Server::start().await?);
        Self::of_build(server, Path::new(THIS_BUILD)).await
    }

    /// A mesh of another build, with databases of its own on the same PostgreSQL.
    pub(crate) async fn beside(&self, binary: &Path) -> anyhow::Result<Self> {
        Self::of_build(Rc::clone(&self.server), binary).await
    }

    async fn of_build(server: Rc<Server>, binary: &Path) -> anyhow::Result<Self> {
        let ports = free_ports();
        let mut urls = Vec::new();
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Gateway) {
            let name = format!("{}_{}", role.name(), ports[0].port());
            server.execute(&format!("CREATE DATABASE {name}")).await?;
            let url = server.url(&name);
            let status =
                levqor(binary, &["migrate", role.name()]).env("LEVQOR_DATABASE_URL", &url).status()?;
            anyhow::ensure!(status.success(), "cannot migrate {name}");
            urls.push(url);
        }
        let mesh = Self {
            binary: binary.to_owned(),
            ports,
            processes: RefCell::default(),
            billing: PgPool::connect(&urls[0]).await?,
            notifications: PgPool::connect(&urls[1]).await?,
            databases: urls,
            server,
        };
        mesh.spawn(mesh.ports, &[]);
        ready(mesh.gateway()).await?;
        Ok(mesh)
    }

    fn spawn(&self, ports: Ports, settings: &[(&str, &str)]) {
        let [billing, notifications, support, compliance, _] = ports.map(|port| port.to_string());
        let databases = self.databases.iter().map(String::as_str).chain([""]);
        for ((role, port), database) in Role::ALL.into_iter().zip(ports).zip(databases) {
            let mut command =
                serve(&self.binary, role, port, database, [&billing, &notifications, &support, &compliance]);
            command.env("STRIPE_WEBHOOK_SECRET", SECRET).env("LEVQOR_STRIPE_LIVEMODE", "false");
            command.envs(settings.iter().copied());
            self.processes.borrow_mut().push(Process::start(command));
        }
    }

    /// A second process of each role, which the load does not use.
    pub(crate) async fn double(&self) -> anyhow::Result<()> {
        let ports = free_ports();
        self.spawn(ports, &[]);
        ready(ports[Role::Gateway as usize]).await
    }

    /// Stops all roles and starts them again. Returns how long the start took until the gateway was ready.
    pub(crate) async fn restart(&self) -> anyhow::Result<Duration> {
        self.restart_with(&[]).await
    }

    /// The same, with these additional settings.
    pub(crate) async fn restart_with(&self, settings: &[(&str, &str)]) -> anyhow::Result<Duration> {
        self.stop();
        let begun = Instant::now();
        self.spawn(self.ports, settings);
        ready(self.gateway()).await?;
        Ok(begun.elapsed())
    }

    fn stop(&self) {
        for process in self.processes.borrow_mut().drain(..) {
            process.stop(Signal::SIGTERM);
        }
    }

    /// PostgreSQL's address. The floor is measured there.
    pub(crate) fn postgres(&self) -> String {
        self.server.url("postgres")
    }

    /// The gateway's address.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.ports[Role::Gateway as usize]
    }

    /// The proportional set size of each process.
    pub(crate) fn pss_kib(&self) -> anyhow::Result<Vec<(&'static str, u64)>> {
        let of = |process: &Process| -> anyhow::Result<u64> {
            let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.id()))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Role::ALL
            .into_iter()
            .cycle()
            .zip(self.processes.borrow().iter())
            .map(|(role, process)| Ok((role.name(), of(process)?)))
            .collect()
    }

    /// The number of pending events.
    pub(crate) async fn pending(&self) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM stripe_events WHERE state = 'PENDING'")
            .fetch_one(&self.billing)
            .await?)
    }

    /// Waits until no event is pending.
    pub(crate) async fn wait_until_processed(&self) -> anyhow::Result<()> {
        while self.pending().await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// PostgreSQL's clock.
    pub(crate) async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        Ok(sqlx::query_scalar("SELECT runtime.now()").fetch_one(&self.billing).await?)
    }

    /// Counts the orders and the mails.
    pub(crate) async fn effects(&self) -> anyhow::Result<Effects> {
        let orders = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.billing);
        let mails = sqlx::query_scalar("SELECT count(*) FROM mailbox").fetch_one(&self.notifications);
        let (orders, mails) = tokio::try_join!(orders, mails)?;
        Ok(Effects { orders, mails })
    }

    /// Waits until no event is pending, and no deferred call is waiting.
    pub(crate) async fn wait_until_mailed(&self) -> anyhow::Result<()> {
        loop {
            let events = self.pending().await? > 0;
            let calls: bool = sqlx::query_scalar(WAITING).fetch_one(&self.billing).await?;
            let mails: bool = sqlx::query_scalar(WAITING).fetch_one(&self.notifications).await?;
            if !(events || calls || mails) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The orders of the events since `since`: what their mails are about, when the event was accepted, and when the order was
    /// made.
    pub(crate) async fn ordered(
        &self,
        since: DateTime<Utc>,
    ) -> anyhow::Result<Vec<(String, DateTime<Utc>, DateTime<Utc>)>> {
        let orders = "SELECT 'order:' || o.order_id, e.receive_time, o.create_time
                      FROM orders AS o JOIN stripe_events AS e ON e.object_id = o.stripe_checkout_session_id
                      WHERE e.receive_time >= $1";
        Ok(sqlx::query_as(orders).bind(since).fetch_all(&self.billing).await?)
    }

    /// The orders whose two mails were sent since `since`: the reference of the mails, and when the last one was sent.
    pub(crate) async fn mailed(&self, since: DateTime<Utc>) -> anyhow::Result<Vec<(String, DateTime<Utc>)>> {
        let mails = "SELECT about, max(send_time) FROM messages WHERE send_time >= $1 GROUP BY about HAVING count(*) = 2";
        Ok(sqlx::query_as(mails).bind(since).fetch_all(&self.notifications).await?)
    }

    /// Empties the journal.
    pub(crate) async fn empty(&self) -> anyhow::Result<()> {
        sqlx::raw_sql("TRUNCATE stripe_events").execute(&self.billing).await?;
        Ok(())
    }

    /// Fills the journal with ignored events up to this number of rows, then runs VACUUM and CHECKPOINT.
    pub(crate) async fn fill(&self, rows: i64) -> anyhow::Result<()> {
        const STEP: i64 = 100_000;
        let mut there: i64 =
            sqlx::query_scalar("SELECT count(*) FROM stripe_events").fetch_one(&self.billing).await?;
        while there < rows {
            let more = STEP.min(rows - there);
            sqlx::query(
                "INSERT INTO stripe_events (event_id, create_time, type, livemode, object_id, stripe_customer_id,
                                            lease_key, body, state, process_time, receive_time, due_time)
                 SELECT 'evt_0' || lpad(to_hex($1 + n), 13, '0') || '0000', time, 'payment_intent.created', false, 'pi_' || n,
                        'cus_' || n, 'cus_' || n, convert_to(rpad('{}', 1200, md5(n::text)), 'UTF8'), 'IGNORED', time,
                        time, time
                 FROM (SELECT n, now() - interval '1 day' + ($1 + n) * interval '1 ms' AS time
                       FROM generate_series(1, $2) AS n) AS event",
            )
            .bind(there)
            .bind(more)
            .execute(&self.billing)
            .await?;
            there += more;
        }
        sqlx::raw_sql("VACUUM ANALYZE stripe_events").execute(&self.billing).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&self.billing).await?;
        Ok(())
    }

    /// The time from the order's commit to the transaction that stores its first mail, by PostgreSQL's clock.
    pub(crate) async fn mail_delay(&self, session: &str) -> anyhow::Result<Duration> {
        loop {
            let order: Option<(uuid::Uuid, DateTime<Utc>)> = sqlx::query_as(
                "SELECT order_id, pg_xact_commit_timestamp(xmin) FROM orders WHERE stripe_checkout_session_id = $1",
            )
            .bind(session)
            .fetch_optional(&self.billing)
            .await?;
            if let Some((order_id, ordered)) = order {
                let mails: Vec<(DateTime<Utc>,)> =
                    sqlx::query_as("SELECT create_time FROM messages WHERE about = $1 ORDER BY create_time")
                        .bind(format!("order:{order_id}"))
                        .fetch_all(&self.notifications)
                        .await?;
                if let [(first,), _] = mails.as_slice() {
                    return Ok((*first - ordered).to_std()?);
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until no deferred call of billing is waiting.
    pub(crate) async fn wait_until_settled(&self) -> anyhow::Result<()> {
        while sqlx::query_scalar(WAITING).fetch_one(&self.billing).await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Puts a backlog of calls into billing's table, all due. Each is a mail to a recipient of its own: mails to one recipient are
    /// stored one after the other, because notifications locks the recipient.
    pub(crate) async fn defer(&self, calls: i64) -> anyhow::Result<()> {
        use levqor_proto::mail::v1::{OrderIntakeRequest, SendMessageRequest, send_message_request::Content};
        let mut requests = Vec::new();
        for n in 0..calls {
            let request = OrderIntakeRequest {
                customer_name: "Load".to_owned(),
                order_id: format!("o{n}"),
                tier: "Starter".to_owned(),
                intake_link: None,
            };
            let request = SendMessageRequest {
                recipient: format!("load{n}@example.com"),
                about: format!("bench:{n}"),
                content: Some(Content::OrderIntakeRequest(request)),
                ..Default::default()
            };
            requests.push(prost::Message::encode_to_vec(&request));
        }
        sqlx::query(
            "INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, due_time, create_time)
             SELECT gen_random_uuid(), 'levqor.mail.v1.MailService/SendMessage', request,
                    'bench:' || n, runtime.now(), runtime.now()
             FROM unnest($1::bytea[]) WITH ORDINALITY AS r (request, n)",
        )
        .bind(requests)
        .execute(&self.billing)
        .await?;
        Ok(())
    }
}

/// Kibibytes as megabytes.
pub(crate) fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

fn free_ports() -> Ports {
    Role::ALL.map(|_| free_port())
}

/// Waits until the gateway at this address is ready.
async fn ready(gateway: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if let Ok(mut stream) = TcpStream::connect(gateway).await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            stream
                .write_all(b"GET /health/ready HTTP/1.1\r\nhost: levqor\r\nconnection: close\r\n\r\n")
                .await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            if answer.starts_with("HTTP/1.1 200") {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("the mesh is not ready")
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.stop();
    }
}
