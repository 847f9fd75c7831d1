//! The same event over many connections at once, to several replicas: it is one event.

use futures_util::future::join_all;

use super::{
    mail_provider::MailProvider,
    outcome::assert_told_once,
    processes::{Mesh, Plan},
    shop::Shop,
    webhook,
};
use crate::roles::Role;

#[tokio::test]
async fn an_event_over_eight_connections_at_once_to_two_replicas_is_one_event() {
    let (mut shop, post) = (Shop::open(0), MailProvider::open(true));
    let mesh = Mesh::start(Plan::new(2, &shop, &post).await).await;
    let gateways = mesh.addresses(Role::Gateway);
    // Only this test delivers these webhooks.
    for _ in 0..10 {
        for body in shop.sell_by_hand() {
            let copies = (0..8).map(|n| webhook(gateways[n % gateways.len()], &body));
            let answers = join_all(copies).await;
            let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
            assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
            let new = answers.iter().filter(|answer| answer.json["duplicate"] == false).count();
            assert_eq!(new, 1, "{answers:?}");
        }
    }
    mesh.rest().await;
    assert_told_once(&mesh, &shop).await;
    post.assert_told(&mesh).await;
}
