//! Compares this build with another one at one connection. Within seconds, the speed of the machine changes by more than the builds
//! differ. So the benchmark switches between them, and to the inserts of the floor, after a few webhooks each. `cargo bench` must
//! have built the other build too, with the features of the tests.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};

use crate::{
    floor,
    load::Client,
    mesh::Mesh,
    percentiles::{Percentiles, median, sorted},
};

/// Enough to measure a difference of about 7 us at a median of 700 us.
const ROUNDS: usize = 300;
/// Webhooks to each build, and inserts, in a round.
const SLICE: usize = 60;
/// Webhooks or inserts before each slice that are not counted: they fill the caches of the processor again.
const COLD: usize = 20;

/// The medians of one round's slices, in microseconds: the floor's, this build's, the other's.
type Round = [f64; 3];

/// Measures, and prints medians over all rounds and over the half in which the machine was quicker.
pub(crate) async fn measure(mesh: &Mesh, binary: &Path) -> anyhow::Result<()> {
    let other = mesh.beside(binary).await?;
    let mut floor = PgConnection::connect(&mesh.postgres()).await?;
    let mut clients = [Client::open(mesh.gateway(), 0).await?, Client::open(other.gateway(), 1).await?];
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        let mut order = [0, 1, 2];
        order.rotate_left(number % 3);
        if number / 3 % 2 == 1 {
            order.reverse();
        }
        let mut round = Round::default();
        for turn in order {
            let mut latencies = Vec::new();
            for _ in 0..COLD + SLICE {
                latencies.push(match turn {
                    0 => insert(&mut floor).await?,
                    build => clients[build - 1].accepted().await?,
                });
            }
            round[turn] = Percentiles::of(latencies.split_off(COLD)).p50_ms() * 1000.0;
        }
        rounds.push(round);
    }
    println!(
        "p50 at one connection, {ROUNDS} rounds of {SLICE} inserts directly into PostgreSQL and {SLICE} webhooks to each build:"
    );
    println!(
        "| rounds | insert us | this us | of the insert | other us | of the insert | this minus other us | 95 % confidence interval |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    report("all", &rounds);
    rounds.sort_by(|[one, ..], [other, ..]| one.total_cmp(other));
    report("the half with the quicker inserts", &rounds[..ROUNDS / 2]);
    Ok(())
}

async fn insert(conn: &mut PgConnection) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    sqlx::query(floor::INSERT).execute(conn).await?;
    Ok(begun.elapsed())
}

fn report(what: &str, rounds: &[Round]) {
    let middle = rounds.len() / 2;
    let differences = sorted(rounds, |[_, this, other]| this - other);
    // The distance of the ranks between which the true median lies with 95 % probability, for any distribution, if rounds do not
    // depend on each other: about 1.96 standard deviations of a binomial distribution.
    let away = rounds.len().isqrt();
    println!(
        "| {what} | {:.0} | {:.0} | {:.2} | {:.0} | {:.2} | {:+.0} | {:+.0} to {:+.0} |",
        median(rounds, |[floor, ..]| *floor),
        median(rounds, |[_, this, _]| *this),
        median(rounds, |[floor, this, _]| this / floor),
        median(rounds, |[.., other]| *other),
        median(rounds, |[floor, _, other]| other / floor),
        differences[middle],
        differences[middle - away],
        differences[middle + away],
    );
}
