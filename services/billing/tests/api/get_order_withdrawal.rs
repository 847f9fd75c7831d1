//! `GetOrderWithdrawal`: shows the owner the withdrawal that can be made, or why none can.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{withdrawal::Rule, withdrawal_offer::Refusal};
use levqor_runtime::testing::Caller;
use tonic::Code;

use crate::support::{Shop, ada, refused};

#[tokio::test]
async fn the_owner_sees_the_contract_the_amount_and_the_end_of_the_period() {
    let (shop, order) = Shop::sold_now().await;
    let offer = shop.offer(&order).await;
    assert_eq!(
        (offer.order_id.as_str(), offer.item.as_str()),
        (order.order_id.as_str(), "Starter, done for you")
    );
    assert_eq!((offer.refusal(), offer.rule()), (Refusal::Unspecified, Rule::Guarantee));
    assert_eq!(offer.amount.expect("an amount").minor_units, 9900);
    assert_eq!(
        (offer.customer_name.as_str(), offer.receipt_email.as_str()),
        ("Ada Lovelace", "ada@example.com")
    );
    assert!(offer.statement.contains(&order.order_id), "{}", offer.statement);
    let days =
        (offer.end_time.expect("an end").seconds - offer.contract_time.expect("a begin").seconds) / 86400;
    assert!((14..=16).contains(&days), "{days}");
    for other in [Caller::customer("bob", "bob@example.com"), Caller::unverified("eve", "ada@example.com")] {
        assert_eq!(refused(shop.shown(&other, &order).await).code(), Code::NotFound);
    }
    assert_eq!(shop.bench.count("withdrawals").await, 0, "looking changes nothing");
}

#[tokio::test]
async fn a_refusal_names_the_end_of_the_period() {
    let (shop, order) = Shop::sold_now().await;
    let before = shop.offer(&order).await;
    shop.bench.advance(TimeDelta::days(17)).await;
    let offer = shop.offer(&order).await;
    assert_eq!((offer.refusal(), offer.end_time), (Refusal::PeriodOver, before.end_time));
    assert_eq!((offer.etag.as_str(), offer.statement.as_str(), offer.amount), ("", "", None));
    let late = refused(shop.withdraw(&ada(), &order, &before.etag).await);
    assert!(late.message().starts_with("a withdrawal was possible until the end of "), "{}", late.message());
    assert_eq!(levqor_runtime::testing::reason(&late), "NOT_WITHDRAWABLE");
    assert_eq!(shop.given_back().await, 0);
}
