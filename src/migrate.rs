//! `levqor migrate <service>`: brings one service's database up to this binary.

use anyhow::Context;
use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{config::Env, db::migrations, run, service::Service};

use crate::{cli::ServiceRole, mesh, output};

/// Runs what is to be run, and says that it is done.
pub(crate) async fn migrate(env: &Env, service: ServiceRole) -> anyhow::Result<()> {
    match service {
        ServiceRole::Billing => one::<Billing>(env).await,
        ServiceRole::Notifications => one::<Notifications>(env).await,
    }
}

async fn one<S: Service>(env: &Env) -> anyhow::Result<()> {
    let (_, url) = mesh::read(env, run::database_url)?;
    migrations::migrate(&url, S::migrator()).await.with_context(|| format!("cannot migrate {}", S::NAME))?;
    output::lines(&format!("{}: the database is current", S::NAME))
}
