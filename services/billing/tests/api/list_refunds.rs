//! `ListRefunds`: staff see every refund, also those made at Stripe.

use levqor_proto_billing::v1::{
    ListRefundsRequest,
    refund::{Origin, State},
};
use levqor_runtime::testing::Caller;

use crate::{refund_order::at_stripe, support::Shop};

#[tokio::test]
async fn staff_list_refunds_by_order_and_state() {
    let (shop, order) = Shop::sold().await;
    shop.refund(&order, 900).await.expect("stored");
    shop.tell_refund(&at_stripe("re_2", 500, None)).await;
    let list = async |request: ListRefundsRequest| {
        let request = Caller::staff().request(request);
        shop.refunds().list_refunds(request).await.expect("a list").into_inner().refunds
    };
    let all = list(ListRefundsRequest { order_id: order.order_id.clone(), ..Default::default() }).await;
    let origins: Vec<_> = all.iter().map(levqor_proto_billing::v1::Refund::origin).collect();
    assert_eq!(origins, [Origin::Stripe, Origin::Staff], "the newest first");
    let done = list(ListRefundsRequest { state: State::Succeeded.into(), ..Default::default() }).await;
    assert_eq!((done.len(), done[0].stripe_refund_id.as_str()), (1, "re_2"));
}
