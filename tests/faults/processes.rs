//! A mesh whose roles are separate processes, with as many replicas as a test wants. The test may kill and restart the processes,
//! and cut their connections to each other and to PostgreSQL.

mod time;

use std::{fs, net::SocketAddr, os::unix::process::ExitStatusExt, path::PathBuf, time::Instant};

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
    sync::{Semaphore, SemaphorePermit},
};

use super::{
    mail_provider::MailProvider,
    proxy::{End, Proxy},
    shop::Shop,
};
use crate::{
    databases::{databases, named, of},
    roles::{self, Role, THIS_BUILD},
    stripe::SECRET,
};

/// The name of PostgreSQL's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// How many meshes may run at a time: one mostly waits while a test kills its processes. A mesh under load takes all permits, because
/// the machine is too small for another. A mesh with lines to cut takes none.
pub(crate) const MESHES: u32 = 2;
static PERMITS: Semaphore = Semaphore::const_new(MESHES as usize);

/// One process, and the arguments and settings of its start.
struct Replica {
    role: Role,
    listen: SocketAddr,
    /// Where it shows its metrics.
    page: SocketAddr,
    database: String,
    process: Option<Process>,
}

/// Lines that a test may cut.
pub(crate) struct Wires {
    /// The line from the other processes to billing.
    pub(crate) billing: Proxy,
    /// The line from the other processes to notifications.
    pub(crate) notifications: Proxy,
    /// The line from billing to its database.
    pub(crate) billing_database: Proxy,
    /// The line from notifications to its database.
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
    peers: [String; 4],
    settings: Vec<(&'static str, String)>,
    databases: Vec<Db>,
    /// When a process was started last.
    started: Instant,
    /// The lines between its parts. `None` if the test cuts none.
    pub(crate) wires: Option<Wires>,
    /// The address for webhooks. A proxy there passes them to every gateway in turn.
    pub(crate) door: SocketAddr,
    _door: Proxy,
    _permits: SemaphorePermit<'static>,
}

/// The size and the settings of a mesh.
pub(crate) struct Plan {
    /// Processes of each role.
    pub(crate) replicas: usize,
    /// Whether there are lines to cut; for one replica only.
    pub(crate) wired: bool,
    /// How many of the `MESHES` permits it takes.
    pub(crate) permits: u32,
    /// The databases of the services, in the order of `services::ALL`.
    pub(crate) databases: Vec<DatabaseUrl>,
    /// Settings for all roles.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Plan {
    /// A plan with this many replicas, new databases of the test cluster, this Stripe and this mail provider.
    pub(crate) async fn new(replicas: usize, shop: &Shop, post: &MailProvider) -> Self {
        let settings = [shop.settings(), post.settings()].concat();
        let permits = if replicas > 1 { MESHES } else { 1 };
        Self { replicas, wired: false, permits, databases: databases().await, settings }
    }
}

impl Mesh {
    /// Starts it, and waits until it can work.
    pub(crate) async fn start(plan: Plan) -> Self {
        let permits = PERMITS.acquire_many(plan.permits).await.expect("never closed");
        let ports = Role::ALL.map(|_| (0..plan.replicas).map(|_| free_port()).collect::<Vec<_>>());
        let [billing, notifications, support, compliance, gateways] = &ports;
        let sockets: Vec<_> = plan.databases.iter().map(socket).collect();
        let postgres = of("billing", &sockets);
        let wires = plan.wired.then(|| wires(billing[0], notifications[0], postgres));
        let (peers, folders) = match &wires {
            None => ([list(billing), list(notifications), list(support), list(compliance)], sockets),
            Some((wires, peers)) => {
                let [billing, notifications] = peers.clone();
                let folder = |(name, socket): (&str, &PathBuf)| match name {
                    "billing" | "notifications" => wires.folder.join(name),
                    _ => socket.clone(),
                };
                let folders: Vec<_> = named(&sockets).map(folder).collect();
                ([billing, notifications, list(support), list(compliance)], folders)
            }
        };
        let mut replicas = Vec::new();
        for (role, ports) in Role::ALL.into_iter().zip(&ports) {
            for listen in ports {
                let database = match role {
                    Role::Gateway => String::new(),
                    Role::Billing | Role::Notifications | Role::Support | Role::Compliance => {
                        let (database, folder) =
                            (of(role.name(), &plan.databases), of(role.name(), &folders));
                        url(database, folder)
                    }
                };
                replicas.push(Replica { role, listen: *listen, page: free_port(), database, process: None });
            }
        }
        let door = free_port();
        let ends = gateways.iter().copied().map(End::Tcp).collect();
        let mut mesh = Self {
            replicas,
            peers,
            settings: plan.settings,
            databases: plan.databases.iter().map(testing::connect).collect(),
            started: Instant::now(),
            wires: wires.map(|(wires, _)| wires),
            door,
            _door: Proxy::start(End::Tcp(door), ends),
            _permits: permits,
        };
        // The gateways start last, so that the services run when a gateway first calls them.
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

    /// Where a process shows its metrics.
    pub(crate) fn page(&self, n: usize) -> SocketAddr {
        self.replicas[n].page
    }

    /// Starts a process again, at the same address. It kills itself at this fail point.
    pub(crate) fn spawn(&mut self, n: usize, kill_at: Option<FailPoint>) {
        let replica = &mut self.replicas[n];
        let peers = self.peers.each_ref().map(String::as_str);
        let mut command = roles::serve(THIS_BUILD, replica.role, replica.listen, &replica.database, peers);
        command.env("STRIPE_WEBHOOK_SECRET", SECRET).env("LEVQOR_STRIPE_LIVEMODE", "false");
        command.env("LEVQOR_DATABASE_CONNECTIONS", "8").env("LEVQOR_METRICS_ADDR", replica.page.to_string());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.envs(kill_at.map(|point| (fail_point::VARIABLE, point.name())));
        replica.process = Some(Process::start(command));
        self.started = Instant::now();
    }

    /// Kills a process with SIGKILL, as the kernel does when memory is short. The process must run.
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

    /// Tells a process to stop, and waits until it has ended. It must end well.
    pub(crate) async fn stop(&mut self, n: usize) {
        let replica = &mut self.replicas[n];
        let process = replica.process.as_mut().expect("it was started");
        process.tell(Signal::SIGTERM);
        let what = format!("{} stops", replica.role.name());
        let status = eventually(&what, || std::future::ready(process.ended())).await;
        assert!(status.success(), "{what}: {status}, {}", process.said());
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

    /// The ids of the processes. All must run.
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
        of("billing", &self.databases)
    }

    /// Notifications' tables.
    pub(crate) fn notifications(&self) -> &Db {
        of("notifications", &self.databases)
    }

    /// The databases of all services, in the order of `services::ALL`.
    pub(crate) fn databases(&self) -> &[Db] {
        &self.databases
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
