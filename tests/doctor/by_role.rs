//! The mesh in five processes: the doctor of each role, with that role's own environment, and a service that is down.

use std::net::SocketAddr;

use levqor_runtime::testing::{
    self, JWT_SECRET, MESH_KEY, eventually,
    process::{Process, Signal, free_port},
};

use super::report::Report;
use crate::{
    databases::{databases, of},
    roles::{self, Role, THIS_BUILD, levqor},
    services,
    stripe::SECRET,
};

struct Roles {
    listen: [SocketAddr; Role::ALL.len()],
    databases: Vec<String>,
    processes: Vec<Option<Process>>,
}

impl Roles {
    async fn start() -> Self {
        let url = |database: &levqor_runtime::db::DatabaseUrl| {
            testing::cluster().url(database.options().get_database().expect("a database"))
        };
        let databases = databases().await.iter().map(url).collect();
        let mut roles = Self { listen: Role::ALL.map(|_| free_port()), databases, processes: vec![] };
        for role in Role::ALL {
            roles.processes.push(Some(Process::start(roles.command(role, &["serve", role.name()]))));
        }
        eventually("all of them are ready", || async {
            roles.doctor(Role::Gateway).with("FAILED").is_empty().then_some(())
        })
        .await;
        roles
    }

    fn command(&self, role: Role, arguments: &[&str]) -> std::process::Command {
        let n = role as usize;
        let peers = [0, 1, 2, 3].map(|n: usize| self.listen[n].to_string());
        let peers = peers.each_ref().map(String::as_str);
        let database = match role {
            Role::Gateway => "",
            Role::Billing | Role::Notifications | Role::Support | Role::Compliance => {
                of(role.name(), &self.databases).as_str()
            }
        };
        let mut command = roles::set_up(levqor(THIS_BUILD, arguments), role, self.listen[n], database, peers);
        command.env("STRIPE_WEBHOOK_SECRET", SECRET);
        if role != Role::Gateway && arguments[0] == "doctor" {
            command.env("LEVQOR_URL", format!("http://{}", self.listen[Role::Gateway as usize]));
        }
        command
    }

    fn doctor(&self, role: Role) -> Report {
        let secrets = [SECRET, JWT_SECRET, MESH_KEY].map(str::to_owned);
        Report::of(self.command(role, &["doctor", role.name(), "--json"]), &secrets)
    }
}

#[test]
fn every_service_is_a_role_of_these_tests() {
    let mut roles = Role::ALL.map(Role::name);
    roles.sort_unstable();
    let services = services::ALL.iter().map(|service| service.name());
    let mut known: Vec<_> = services.chain([levqor_gateway::NAME]).collect();
    known.sort_unstable();
    assert_eq!(roles, *known);
}

#[test]
fn a_role_is_asked_for_no_address_that_its_own_process_does_not_need() {
    let (nobody, database) = (free_port().to_string(), "postgres://nobody@127.0.0.1:1/none");
    let command = levqor(THIS_BUILD, &["doctor", "billing", "--json"]);
    let mut command = roles::set_up(command, Role::Billing, free_port(), database, [nobody.as_str(); 4]);
    // As in docker-compose.yml and k8s/.
    command.env_remove("LEVQOR_BILLING_ADDR").env_remove("LEVQOR_SUPPORT_ADDR");
    command.env("STRIPE_WEBHOOK_SECRET", SECRET);
    let report = Report::of(command, &[]);
    let evidence = report.evidence("ON", "settings");
    assert!(evidence.ends_with("and each can be read"), "{evidence}");
}

#[tokio::test]
async fn each_role_is_checked_with_its_own_environment_and_one_that_is_down_is_named() {
    let mut roles = Roles::start().await;
    let billing = roles.doctor(Role::Billing);
    billing.assert_none();
    for name in ["billing.database", "billing.migrations", "billing.grpc", "billing.stripe_webhooks"] {
        assert_eq!(billing.line(name)["outcome"], "ON");
    }
    assert!(
        !billing.with("ON").contains(&"notifications.database"),
        "another role's database is not its own"
    );
    roles.doctor(Role::Notifications).assert_none();

    let notifications = roles.processes[Role::Notifications as usize].take().expect("it runs");
    assert!(notifications.stop(Signal::SIGTERM).success());
    // The gateway's status of the services may be one second old.
    eventually("the gateway knows", || async {
        roles.doctor(Role::Gateway).with("FAILED").contains(&"notifications.status").then_some(())
    })
    .await;
    for role in Role::ALL {
        let report = roles.doctor(role);
        let failed = report.with("FAILED");
        assert!(
            failed.contains(&"notifications.grpc") && failed.contains(&"notifications.status"),
            "{failed:?}"
        );
        assert!(failed.iter().all(|name| name.starts_with("notifications.")), "{failed:?}");
        let words = report.evidence("FAILED", "notifications.status");
        assert!(words.starts_with("it does not answer the gateway; it last did: 20"), "{words}");
        assert!(report.evidence("FAILED", "notifications.grpc").contains("no answer (Unavailable)"));
    }
}
