//! Paid checkouts. Each makes an order and two mails. No Stripe key is set, so billing fetches nothing, and only our
//! own work is measured.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use crate::{
    floor,
    load::Clients,
    mesh::{Effects, Mesh},
    percentiles::Percentiles,
};

/// Measures the floor, then the accepted checkouts per second and the orders and mails per second during the load. The remaining
/// orders and mails take much longer than the load; their time is measured too.
pub(crate) async fn measure(mesh: &Mesh, connections: &[usize], span: Duration) -> anyhow::Result<()> {
    println!("\npaid checkouts, each an order and two mails into the local mailbox:");
    println!(
        "| connections | floor/s | accepted/s | p50 ms | p99 ms | accepted of the floor | orders/s meanwhile | mails/s meanwhile | until the order p50 ms | p99 ms | until both mails p50 ms | p99 ms | from the end of the load to the last mail s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for &connections in connections {
        let floor = floor::measure(&mesh.postgres(), connections, span)?;
        let (since, before) = (mesh.now().await?, mesh.effects().await?);
        let load = Clients::open(mesh.gateway(), connections).await?.checkouts(span).await?;
        let after = mesh.effects().await?;
        anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
        let begun = Instant::now();
        mesh.wait_until_mailed().await?;
        let rest = begun.elapsed().as_secs_f64();
        let (orders, mails) = delays(mesh, since).await?;
        let rate =
            |count: fn(&Effects) -> i64| (count(&after) - count(&before)) as f64 / load.span.as_secs_f64();
        println!(
            "| {connections} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {rest:.0} |",
            floor.per_second(),
            load.per_second(),
            load.latency.p50_ms(),
            load.latency.p99_ms(),
            load.per_second() / floor.per_second(),
            rate(|effects| effects.orders),
            rate(|effects| effects.mails),
            orders.p50_ms(),
            orders.p99_ms(),
            mails.p50_ms(),
            mails.p99_ms(),
        );
    }
    Ok(())
}

/// The times from the acceptance of each event to its order, and to the second mail of that order, for the events since `since`.
/// All times are of PostgreSQL's clock.
async fn delays(mesh: &Mesh, since: DateTime<Utc>) -> anyhow::Result<(Percentiles, Percentiles)> {
    let mailed: HashMap<String, DateTime<Utc>> = mesh.mailed(since).await?.into_iter().collect();
    let (mut orders, mut mails) = (Vec::new(), Vec::new());
    for (about, accepted, ordered) in mesh.ordered(since).await? {
        let mailed = mailed.get(&about).ok_or_else(|| anyhow::anyhow!("{about} has no mails"))?;
        // The order's transaction may have begun in the microsecond in which the event was stored.
        orders.push((ordered - accepted).to_std().unwrap_or_default());
        mails.push((*mailed - accepted).to_std().unwrap_or_default());
    }
    Ok((Percentiles::of(orders), Percentiles::of(mails)))
}
