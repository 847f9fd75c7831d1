//! The connections between gateway, billing, notifications and PostgreSQL are cut, stalled, slowed and broken. The work is
//! delayed, and is completed after the connections work again.

use std::time::{Duration, Instant};

use levqor_runtime::testing::eventually;
use serde_json::json;

use super::{
    TIMEOUT, health,
    mail_provider::MailProvider,
    outcome::assert_told_once,
    processes::{Mesh, Plan, Wires},
    proxy::{Line, Proxy},
    shop::Shop,
    webhook,
};
use crate::stripe::event;

/// The delay of a slow line.
const SLOWNESS: Duration = Duration::from_millis(50);

/// The line, whether webhooks need it, and the service that is not ready without it.
type Link = (fn(&Wires) -> &Proxy, bool, &'static str);

const LINKS: [Link; 4] = [
    (|wires| &wires.billing, true, "billing"),
    (|wires| &wires.notifications, false, "notifications"),
    (|wires| &wires.billing_database, true, "billing"),
    (|wires| &wires.notifications_database, false, "notifications"),
];

/// A mesh with lines to cut, and a mail provider that honours keys or does not.
pub(super) async fn start(honours_keys: bool) -> (Mesh, Shop, MailProvider) {
    let (shop, post) = (Shop::open(0), MailProvider::open(honours_keys));
    let plan = Plan { wired: true, permits: 0, ..Plan::new(1, &shop, &post).await };
    let mesh = Mesh::start(plan).await;
    shop.deliver_to(mesh.door);
    (mesh, shop, post)
}

pub(super) async fn settles(mesh: &Mesh, shop: &mut Shop, post: &MailProvider) {
    shop.close();
    shop.all_taken().await;
    mesh.rest().await;
    assert_told_once(mesh, shop).await;
    post.assert_told(mesh).await;
}

/// Waits until a deferred call has failed.
async fn until_put_off(mesh: &Mesh) {
    let failed = "SELECT count(*) FROM runtime.work WHERE state = 'WAITING' AND failure <> ''";
    eventually("a deferred call has failed", || async {
        let failed: i64 = sqlx::query_scalar(failed).fetch_one(mesh.billing().pool()).await.expect("a count");
        (failed > 0).then_some(())
    })
    .await;
}

/// Checks the mesh while a line is cut or stalled: webhooks that need the line get a 503 within this time, other webhooks are
/// accepted, and the health check names the service.
async fn costs(mesh: &Mesh, (_, needed, service): &Link, patience: Duration) {
    let name = levqor_runtime::id::request_id();
    let body = event(&name, "customer.updated", &json!({"id": format!("cus_{name}"), "object": "customer"}));
    let begun = Instant::now();
    let answer = webhook(mesh.door, &body.to_string()).await.expect("an answer");
    assert_eq!(answer.status, if *needed { 503 } else { 200 }, "{service}: {}", answer.text);
    assert!(begun.elapsed() < patience, "{service}: the answer took {:?}", begun.elapsed());
    eventually("the health names the service", || async {
        let health = health(mesh.door).await?;
        let named = |name: &str| health.json["services"][name]["ready"] == false;
        let others = ["billing", "notifications"].into_iter().filter(|other| other != service);
        (named(service) && !others.into_iter().any(named)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_line_that_is_cut_or_stalled_is_named_and_costs_nothing_but_time() {
    let (mesh, mut shop, post) = start(true).await;
    let wires = mesh.wires.as_ref().expect("wires");
    // The gateway notices a stalled line only by its own timeout of 10 seconds. Its answer arrives while the line is still stalled.
    for (line, patience) in [(Line::Cut, Duration::from_secs(8)), (Line::Stalled, TIMEOUT)] {
        for link in LINKS.into_iter().filter(|(_, needed, _)| *needed || line == Line::Cut) {
            let begun = Instant::now();
            (link.0)(wires).set(line);
            shop.sell();
            costs(&mesh, &link, patience).await;
            (link.0)(wires).set(Line::Whole);
            let whole = Instant::now();
            settles(&mesh, &mut shop, &post).await;
            mesh.ready().await;
            println!(
                "{line:?} before {}: {:.1?}, settled after {:.1?}",
                link.2,
                begun.elapsed(),
                whole.elapsed()
            );
        }
    }
}

#[tokio::test]
async fn connections_that_disappear_silently_are_replaced() {
    let (mut mesh, mut shop, post) = start(true).await;
    let ids = mesh.ids();
    for (wire, ..) in LINKS.into_iter().filter(|(_, needed, _)| *needed) {
        let begun = Instant::now();
        let wires = mesh.wires.as_ref().expect("wires");
        shop.sell();
        wire(wires).set(Line::Vanished);
        shop.sell();
        shop.refused(3).await;
        // The old connections stay dead.
        wire(wires).set(Line::Whole);
        settles(&mesh, &mut shop, &post).await;
        mesh.ready().await;
        println!("connections vanished: {:.1?}", begun.elapsed());
    }
    assert_eq!(mesh.ids(), ids, "a process was restarted");
}

#[tokio::test]
async fn a_line_that_is_slow_or_breaks_in_the_middle_of_answers_costs_nothing_but_time() {
    let (mesh, mut shop, post) = start(true).await;
    let wires = mesh.wires.as_ref().expect("wires");
    for line in [Line::Slow(SLOWNESS), Line::Breaking] {
        for (wire, needed, service) in LINKS {
            let (begun, taken, hindered) = (Instant::now(), shop.taken(), wire(wires).hindered());
            wire(wires).set(line);
            for _ in 0..5 {
                shop.sell();
            }
            match (line, needed) {
                // While no answer arrives over the line, no webhook is acknowledged.
                (Line::Breaking, true) => {
                    shop.refused(10).await;
                    assert_eq!(shop.taken(), taken, "{service}");
                }
                (Line::Breaking, false) => {
                    shop.all_taken().await;
                    until_put_off(&mesh).await;
                }
                // A slow line only delays the answers.
                _ => {
                    shop.all_taken().await;
                    mesh.done().await;
                }
            }
            assert!(wire(wires).hindered() > hindered, "{line:?} before {service}: nothing came over it");
            wire(wires).set(Line::Whole);
            settles(&mesh, &mut shop, &post).await;
            println!("{line:?} before {service}: {:.1?}", begun.elapsed());
        }
    }
}
