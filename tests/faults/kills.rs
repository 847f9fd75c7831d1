//! Kills random processes under load.

use std::time::Instant;

use levqor_notifications::fail_point;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    fault_seed,
    mail_provider::MailProvider,
    outcome::assert_told_once,
    processes::{Mesh, Plan},
    shop::Shop,
};
use crate::{roles::Role, settings::number};

/// Processes of each role.
const REPLICAS: usize = 2;
/// If the mail provider honours no keys, the numbers of kills and webhooks are divided by this.
const FEWER: usize = 4;
/// If the mail provider honours no keys, one kill in this many certainly leaves a message in doubt.
const CERTAIN_DOUBT: usize = 5;

/// The length and the random seed of a run.
struct Run {
    seed: u64,
    kills: usize,
    webhooks: usize,
}

impl Run {
    /// As the environment says.
    fn chosen() -> Self {
        let run = Self {
            seed: fault_seed(),
            kills: number("LEVQOR_FAULT_KILLS", 30),
            webhooks: number("LEVQOR_FAULT_WEBHOOKS", 750),
        };
        let least = FEWER * CERTAIN_DOUBT;
        assert!(run.kills >= least, "LEVQOR_FAULT_KILLS is {least} at the least");
        println!("LEVQOR_FAULT_KILLS={} LEVQOR_FAULT_WEBHOOKS={} makes it as long", run.kills, run.webhooks);
        run
    }
}

#[tokio::test]
async fn random_kills_lose_nothing_and_double_nothing() {
    assert_eq!(kill_at_random(&MailProvider::open(true), &Run::chosen()).await, 0);
}

#[tokio::test]
async fn random_kills_hide_no_doubt_where_the_mail_provider_honours_no_keys() {
    let Run { seed, kills, webhooks } = Run::chosen();
    let run = Run { seed, kills: kills / FEWER, webhooks: webhooks / FEWER };
    let doubts = kill_at_random(&MailProvider::open(false), &run).await;
    let certain = run.kills / CERTAIN_DOUBT;
    println!("{doubts} mails in doubt, {certain} of them for certain");
    assert!(doubts >= certain, "{doubts} mails in doubt, and not {certain}");
}

/// Kills processes under load. Returns the number of mails in doubt at the end.
async fn kill_at_random(post: &MailProvider, &Run { seed, kills, webhooks }: &Run) -> usize {
    let begun = Instant::now();
    let mut dice = StdRng::seed_from_u64(seed);
    let mut shop = Shop::open(seed);
    shop.trouble();
    let mut mesh = Mesh::start(Plan::new(REPLICAS, &shop, post).await).await;
    shop.deliver_to(mesh.door);
    for kill in 1..=kills {
        let taken = webhooks * kill / kills;
        if !post.honours_keys() && kill % CERTAIN_DOUBT == 0 {
            shop.until_taken(taken).await;
            leave_a_doubt(&mut mesh, &mut shop).await;
        } else {
            let n = dice.random_range(0..mesh.processes());
            // A kill during the start of a process would test little, so the test waits for the start.
            mesh.listening(n).await;
            shop.until_taken(taken).await;
            mesh.kill(n);
            mesh.spawn(n, None);
        }
    }
    shop.close();
    shop.all_taken().await;
    let load = begun.elapsed();
    mesh.rest().await;
    let (refused, unanswered) = (shop.answered(Some(503)), shop.answered(None));
    println!(
        "{kills} kills under {} webhooks and {} orders: {load:.1?}, at rest after {:.1?}; refused {refused}, unanswered {unanswered}",
        shop.taken(),
        shop.sold().len(),
        begun.elapsed(),
    );
    // A few kills may all hit processes that take no webhooks.
    let few = kills < FEWER * CERTAIN_DOUBT;
    assert!(few || refused + unanswered >= kills / 2, "too few webhooks arrived while a process was dead");
    mesh.ids();
    assert_told_once(&mesh, &shop).await;
    post.assert_told(&mesh).await
}

/// Kills a process of notifications under load, after the provider has answered and before the answer is stored: the mail was
/// sent, but the mesh does not know that.
async fn leave_a_doubt(mesh: &mut Mesh, shop: &mut Shop) {
    let n = mesh.first(Role::Notifications);
    mesh.listening(n).await;
    mesh.kill(n);
    mesh.spawn(n, Some(fail_point::MESSAGE_ANSWERED));
    tokio::select! {
        () = mesh.killed_itself(n, fail_point::MESSAGE_ANSWERED) => {}
        // The other replica may be faster, but not each time.
        () = shop.sell_on() => {}
    }
    mesh.spawn(n, None);
}
