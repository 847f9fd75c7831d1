//! The mesh as processes of their own, in as many replicas as a test wants, which it may kill, start again, and cut off
//! from each other and from PostgreSQL.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    db::{DatabaseUrl, Db},
    fail_point::{self, FailPoint},
    testing::{
        self, eventually,
        process::{Process, Signal, free_port},
    },
};
use tokio::{
    net::TcpStream,
    sync::{Mutex, MutexGuard},
};

use super::{
    post_office::Post,
    proxy::{End, Proxy},
    shop::Shop,
};
use crate::{
    roles::{self, Role, THIS_BUILD},
    stripe::SECRET,
};

/// The name of PostgreSQL's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// Only one mesh at a time that works hard: the machine is not larger for several. Those with lines mostly wait.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How often time is moved while a mesh comes to rest, so that what the killed held is taken up.
const MOVE_TIME: Duration = Duration::from_secs(2);

/// One process, and what it is started with.
struct Replica {
    role: Role,
    listen: SocketAddr,
    database: String,
    process: Option<Process>,
}

/// Lines that a test may cut.
pub(crate) struct Wires {
    /// From the others to billing.
    pub(crate) billing: Proxy,
    /// From the others to notifications.
    pub(crate) notifications: Proxy,
    /// From billing to its database.
    pub(crate) billing_database: Proxy,
    /// From notifications to its database.
    pub(crate) notifications_database: Proxy,
    folder: PathBuf,
}

impl Drop for Wires {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The mesh.
pub(crate) struct Mesh {
    replicas: Vec<Replica>,
    peers: [String; 2],
    settings: Vec<(&'static str, String)>,
    databases: [Db; 2],
    /// The lines between its parts, where there are any.
    pub(crate) wires: Option<Wires>,
    /// Where webhooks go to: to every gateway in turn.
    pub(crate) door: SocketAddr,
    _door: Proxy,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// What a mesh is to be like.
pub(crate) struct Plan {
    /// Processes of each role.
    pub(crate) replicas: usize,
    /// Whether there are lines to cut; for one replica only.
    pub(crate) wired: bool,
    /// The databases of billing and of notifications.
    pub(crate) databases: [DatabaseUrl; 2],
    /// Settings for all roles.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Plan {
    /// So many replicas on new databases of the test cluster, with this Stripe and this mail provider.
    pub(crate) async fn new(replicas: usize, shop: &Shop, post: &Post) -> Self {
        let databases = [testing::database::<Billing>().await, testing::database::<Notifications>().await];
        let settings = [shop.settings(), post.settings()].concat();
        Self { replicas, wired: false, databases, settings }
    }
}

impl Mesh {
    /// Starts it, and waits until it can work.
    pub(crate) async fn start(plan: Plan) -> Self {
        let alone = if plan.wired { None } else { Some(ALONE.lock().await) };
        let ports = |_| (0..plan.replicas).map(|_| free_port()).collect::<Vec<_>>();
        let ports = Role::ALL.map(ports);
        let [billing, notifications, gateways] = &ports;
        let sockets = plan.databases.each_ref().map(socket);
        let wires = plan.wired.then(|| wires(billing[0], notifications[0], &sockets[0]));
        let (peers, folders) = match &wires {
            None => ([list(billing), list(notifications)], sockets),
            Some((wires, peers)) => {
                (peers.clone(), ["billing", "notifications"].map(|name| wires.folder.join(name)))
            }
        };
        let mut replicas = Vec::new();
        for (role, ports) in Role::ALL.into_iter().zip(&ports) {
            for listen in ports {
                let database = match role {
                    Role::Billing => url(&plan.databases[0], &folders[0]),
                    Role::Notifications => url(&plan.databases[1], &folders[1]),
                    Role::Gateway => String::new(),
                };
                replicas.push(Replica { role, listen: *listen, database, process: None });
            }
        }
        let door = free_port();
        let ends = gateways.iter().copied().map(End::Tcp).collect();
        let mut mesh = Self {
            replicas,
            peers,
            settings: plan.settings,
            databases: plan.databases.each_ref().map(testing::connect),
            wires: wires.map(|(wires, _)| wires),
            door,
            _door: Proxy::start(End::Tcp(door), ends),
            _alone: alone,
        };
        // The gateways last: what they call is there when they first call it.
        for is_gateway in [false, true] {
            for n in 0..mesh.replicas.len() {
                if is_gateway == (mesh.replicas[n].role == Role::Gateway) {
                    mesh.spawn(n, None);
                    mesh.listening(n).await;
                }
            }
        }
        mesh.ready().await;
        mesh
    }

    /// How many processes there are.
    pub(crate) fn processes(&self) -> usize {
        self.replicas.len()
    }

    /// The first process of a role.
    pub(crate) fn first(&self, role: Role) -> usize {
        self.replicas.iter().position(|replica| replica.role == role).expect("every role has one")
    }

    /// Where the processes of a role listen.
    pub(crate) fn addresses(&self, role: Role) -> Vec<SocketAddr> {
        self.replicas.iter().filter(|replica| replica.role == role).map(|replica| replica.listen).collect()
    }

    /// Starts a process where it was before; it kills itself at this point.
    pub(crate) fn spawn(&mut self, n: usize, kill_at: Option<FailPoint>) {
        let replica = &mut self.replicas[n];
        let peers = self.peers.each_ref().map(String::as_str);
        let mut command = roles::serve(THIS_BUILD, replica.role, replica.listen, &replica.database, peers);
        command.env("STRIPE_WEBHOOK_SECRET", SECRET).env("LEVQOR_STRIPE_LIVEMODE", "false");
        command.env("LEVQOR_DATABASE_CONNECTIONS", "8");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.envs(kill_at.map(|point| (fail_point::VARIABLE, point.name())));
        replica.process = Some(Process::start(command));
    }

    /// Kills a process, which must run, as the kernel does when memory is short.
    pub(crate) fn kill(&mut self, n: usize) {
        let replica = &mut self.replicas[n];
        let process = replica.process.take().expect("it was started");
        let (status, said) = process.stop_and_read(Signal::SIGKILL);
        assert_eq!(
            status.signal(),
            Some(Signal::SIGKILL as i32),
            "{}: {status}, {said}",
            replica.role.name()
        );
    }

    /// Waits until a process takes connections.
    pub(crate) async fn listening(&mut self, n: usize) {
        let listen = self.replicas[n].listen;
        eventually("the process listens", || async { TcpStream::connect(listen).await.ok() }).await;
    }

    /// Waits until a process has killed itself at the point that it was started with.
    pub(crate) async fn killed_itself(&mut self, n: usize, point: FailPoint) {
        let replica = &mut self.replicas[n];
        let process = replica.process.as_mut().expect("it was started");
        let what = format!("{} is killed at {}", replica.role.name(), point.name());
        let mut ended = || std::future::ready(process.ended());
        let status = eventually(&what, &mut ended).await;
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{what}: {status}, {}", process.said());
    }

    /// The processes' numbers; all must run.
    pub(crate) fn ids(&mut self) -> Vec<i32> {
        let process = |replica: &mut Replica| {
            let process = replica.process.as_mut().expect("it was started");
            let ended = process.ended();
            assert!(ended.is_none(), "{} ended with {ended:?}: {}", replica.role.name(), process.said());
            process.id()
        };
        self.replicas.iter_mut().map(process).collect()
    }

    /// Waits until every service says that it can work.
    pub(crate) async fn ready(&self) {
        eventually("every service is ready", || async {
            let health = super::health(self.door).await?;
            let services = health.json["services"].as_object()?;
            services.values().all(|service| service["ready"] == true).then_some(())
        })
        .await;
    }

    /// Billing's tables.
    pub(crate) fn billing(&self) -> &Db {
        &self.databases[0]
    }

    /// Notifications' tables.
    pub(crate) fn notifications(&self) -> &Db {
        &self.databases[1]
    }

    /// Moves the mesh's time.
    pub(crate) async fn advance(&self, by: TimeDelta) {
        for db in &self.databases {
            testing::advance(db, by).await;
        }
    }

    /// Waits until nothing is left to do, by itself.
    pub(crate) async fn done(&self) {
        eventually("nothing is left to do", || async { (self.left().await == Some(0)).then_some(()) }).await;
    }

    /// Waits until nothing is left to do, and moves time meanwhile, so that leases of the killed end.
    pub(crate) async fn rest(&self) {
        let mut moved = Instant::now();
        loop {
            if self.left().await == Some(0) {
                return;
            }
            eventually("nothing is left to do, or it is time to move time", || async {
                let rests = self.left().await == Some(0);
                (rests || moved.elapsed() > MOVE_TIME).then_some(())
            })
            .await;
            if moved.elapsed() > MOVE_TIME {
                self.advance(TimeDelta::minutes(1)).await;
                moved = Instant::now();
            }
        }
    }

    /// How much is left to do; none while a database is away.
    async fn left(&self) -> Option<i64> {
        let count = async |db: &Db, query: &'static str| {
            sqlx::query_scalar::<_, i64>(query).fetch_one(db.pool()).await.ok()
        };
        let [billing, notifications] = &self.databases;
        let calls = "SELECT count(*) FROM runtime.work WHERE state = 'WAITING'";
        let events = count(billing, "SELECT count(*) FROM stripe_events WHERE state = 'PENDING'").await?;
        let messages = count(notifications, "SELECT count(*) FROM messages WHERE state = 'PENDING'").await?;
        Some(events + messages + count(billing, calls).await? + count(notifications, calls).await?)
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for replica in &mut self.replicas {
                let said =
                    replica.process.as_mut().map(|process| process.said().to_owned()).unwrap_or_default();
                let last: Vec<_> = said.lines().rev().take(20).collect();
                let last: Vec<_> = last.into_iter().rev().collect();
                eprintln!("{} said last:\n{}", replica.role.name(), last.join("\n"));
            }
        }
    }
}

/// The folder of the socket that a database is reached through.
fn socket(database: &DatabaseUrl) -> PathBuf {
    database.options().get_socket().expect("a private cluster").clone()
}

fn url(database: &DatabaseUrl, folder: &std::path::Path) -> String {
    let name = database.options().get_database().expect("a database");
    format!("postgres://levqor@localhost/{name}?host={}", folder.display())
}

fn list(ports: &[SocketAddr]) -> String {
    ports.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

fn wires(billing: SocketAddr, notifications: SocketAddr, postgres: &std::path::Path) -> (Wires, [String; 2]) {
    let folder = PathBuf::from(format!("/tmp/levqor-wires-{}", levqor_runtime::id::request_id()));
    let database = |name: &str| {
        let near = folder.join(name);
        fs::create_dir_all(&near).expect("a folder");
        Proxy::start(End::Unix(near.join(SOCKET)), vec![End::Unix(postgres.join(SOCKET))])
    };
    let (billing_near, notifications_near) = (free_port(), free_port());
    let wires = Wires {
        billing: Proxy::start(End::Tcp(billing_near), vec![End::Tcp(billing)]),
        notifications: Proxy::start(End::Tcp(notifications_near), vec![End::Tcp(notifications)]),
        billing_database: database("billing"),
        notifications_database: database("notifications"),
        folder: folder.clone(),
    };
    (wires, [billing_near.to_string(), notifications_near.to_string()])
}
