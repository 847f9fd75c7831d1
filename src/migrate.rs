//! `levqor migrate <service>`: runs the pending migrations of one service's database.

use anyhow::Context;
use levqor_runtime::{config::Env, db::migrations, run};

use crate::{mesh, output, services::AnyService};

/// Runs the pending migrations and reports the result.
pub(crate) async fn migrate(env: &Env, service: &dyn AnyService) -> anyhow::Result<()> {
    let (_, url) = mesh::read(env, run::database_url)?;
    let name = service.name();
    migrations::migrate(&url, service.migrator()).await.with_context(|| format!("cannot migrate {name}"))?;
    output::lines(&format!("{name}: no migration is pending"))
}
