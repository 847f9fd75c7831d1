//! Processes killed at random, under load. `LEVQOR_FAULT_SEED` plays one run again, as far as machines can; how many kills
//! and how many webhooks is set by `LEVQOR_FAULT_KILLS` and `LEVQOR_FAULT_WEBHOOKS`.

use std::time::Instant;

use levqor_runtime::fail_point::FailPoint;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    outcome::assert_told_once,
    post_office::Post,
    processes::{Mesh, Plan},
    shop::Shop,
};
use crate::{properties::setting, roles::Role};

/// Of each role.
const REPLICAS: usize = 2;
/// Where the mail provider honours no keys, one kill in so many leaves a doubt for certain.
const CERTAIN_DOUBT: usize = 5;

/// A number of this size, or of what the environment says in its place.
fn number(name: &str, otherwise: usize) -> usize {
    setting(name).map_or(otherwise, |number| usize::try_from(number).expect("not so many"))
}

#[tokio::test]
async fn random_kills_lose_nothing_and_double_nothing() {
    let (kills, webhooks) = (number("LEVQOR_FAULT_KILLS", 200), number("LEVQOR_FAULT_WEBHOOKS", 5_000));
    assert_eq!(kill_at_random(&Post::open(true), kills, webhooks).await, 0);
}

#[tokio::test]
async fn random_kills_hide_no_doubt_where_the_mail_provider_honours_no_keys() {
    let (kills, webhooks) = (number("LEVQOR_FAULT_KILLS", 200), number("LEVQOR_FAULT_WEBHOOKS", 5_000));
    let doubts = kill_at_random(&Post::open(false), kills / 4, webhooks / 4).await;
    let certain = kills / 4 / CERTAIN_DOUBT;
    println!("{doubts} mails in doubt, {certain} of them for certain");
    assert!(certain > 0 && doubts >= certain, "{doubts} mails in doubt, and not {certain}");
}

/// Kills under load; how many mails are in doubt in the end.
async fn kill_at_random(post: &Post, kills: usize, webhooks: usize) -> usize {
    let seed = setting("LEVQOR_FAULT_SEED").unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    println!("LEVQOR_FAULT_SEED={seed} plays this run again");
    let begun = Instant::now();
    let mut dice = StdRng::seed_from_u64(seed);
    let mut shop = Shop::open(seed);
    shop.trouble();
    let mut mesh = Mesh::start(Plan::new(REPLICAS, &shop, post).await).await;
    shop.deliver_to(mesh.door);
    for kill in 1..=kills {
        if !post.honours_keys() && kill % CERTAIN_DOUBT == 0 {
            leave_a_doubt(&mut mesh, &mut shop).await;
        } else {
            let n = dice.random_range(0..mesh.processes());
            // One that is killed again before it has come up proves little.
            mesh.listening(n).await;
            mesh.kill(n);
            mesh.spawn(n, None);
        }
        shop.until_taken(webhooks * kill / kills).await;
    }
    shop.close();
    shop.all_taken().await;
    let load = begun.elapsed();
    mesh.rest().await;
    println!(
        "{kills} kills under {} webhooks and {} orders: {load:.1?}, at rest after {:.1?}; refused {}, unanswered {}",
        shop.taken(),
        shop.sold().len(),
        begun.elapsed(),
        shop.answered(Some(503)),
        shop.answered(None),
    );
    assert_told_once(&mesh, &shop).await;
    post.assert_told(&mesh).await
}

/// Kills one between the provider's answer and our note of it, under load: the mail is out, and nobody here knows.
async fn leave_a_doubt(mesh: &mut Mesh, shop: &mut Shop) {
    let n = mesh.first(Role::Notifications);
    mesh.listening(n).await;
    mesh.kill(n);
    mesh.spawn(n, Some(FailPoint::MessageAnswered));
    tokio::select! {
        () = mesh.killed_itself(n, FailPoint::MessageAnswered) => {}
        // Its twin may be faster; not always.
        () = shop.sell_on() => {}
    }
    mesh.spawn(n, None);
}
