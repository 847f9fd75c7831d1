//! `levqor migrate <service>`: brings one service's database up to this binary.

use anyhow::Context;
use levqor_runtime::{config::Env, db::migrations, run};

use crate::{mesh, output, services::AnyService};

/// Runs what is to be run, and says that it is done.
pub(crate) async fn migrate(env: &Env, service: &dyn AnyService) -> anyhow::Result<()> {
    let (_, url) = mesh::read(env, run::database_url)?;
    let name = service.name();
    migrations::migrate(&url, service.migrator()).await.with_context(|| format!("cannot migrate {name}"))?;
    output::lines(&format!("{name}: the database is current"))
}
