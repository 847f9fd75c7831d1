//! `GetLinkedOrder`: everybody who has a link sees the order of the link, and no other order.

use chrono::TimeDelta;
use levqor_runtime::testing::advance;
use tonic::Code;

use crate::support::{Bench, reason, refused};

#[tokio::test]
async fn the_link_in_the_mail_shows_the_order_without_an_account() {
    let bench = Bench::start().await;
    let order = bench.paid().await;
    let linked = bench.linked(&bench.link_token().await).await.expect("an order");
    let shown = linked.order.expect("an order");
    assert_eq!(shown.order_id, order.order_id);
    assert_eq!((shown.stripe_customer_id.as_str(), shown.stripe_checkout_session_id.as_str()), ("", ""));
    assert_eq!((linked.events.len(), linked.intake.expect("a form").answers.len()), (1, 0));
    assert_eq!(bench.count("orders WHERE owner_sub IS NULL").await, 1, "a link claims nothing");
}

#[tokio::test]
async fn a_wrong_or_expired_link_reads_the_same_as_none() {
    let bench = Bench::start().await;
    bench.paid().await;
    let token = bench.link_token().await;
    let last = if token.ends_with('0') { "1" } else { "0" };
    let other_secret = format!("{}{last}", &token[..token.len() - 1]);
    let other_link = format!("f{}", &token[1..]);
    let assert_none = async |token: &str| {
        let status = refused(bench.linked(token).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"), "{token}");
    };
    for wrong in ["", "1", &other_secret, &other_link] {
        assert_none(wrong).await;
    }
    advance(&bench.db, TimeDelta::days(30)).await;
    assert_none(&token).await;
}
