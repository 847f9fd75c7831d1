//! The mails to the customer about each step of an order. Each is deferred in the transaction of its step.
//!
//! A mail is sent once for each `about` and recipient. A step that can come again, such as a delivery, counts its rounds in `about`.

use levqor_proto_mail::v1::{
    OrderAccepted, OrderAccess, OrderCancelled, OrderDelivered, OrderEnded, OrderIntakeReceived,
    OrderIntakeRequest, OrderRevisionReceived, OrderStarted, OrderWelcome, PaymentReceipt,
    SendMessageRequest, send_message_request::Content,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    site::SiteUrl,
    timestamp,
};

use crate::{
    domain::{
        checkout_session::Receipt,
        order::{ACCEPTANCE_PERIOD, Order},
        order_event::Party,
    },
    fail_point,
    order_links::{self, NewLink},
};

/// A mail to the order's address about `about`.
fn message(tx: &Tx, order: &Order, about: String, content: Content) -> SendMessageRequest {
    SendMessageRequest {
        recipient: order.terms.customer_email.as_str().to_owned(),
        about,
        locale: tx.locale().to_owned(),
        content: Some(content),
        ..SendMessageRequest::default()
    }
}

/// How many revisions of an order were requested so far.
fn round(order: &Order) -> i32 {
    order.terms.tier.revisions() - order.revisions_left
}

/// The welcome, and the request to fill in the intake form. A guest gets a link to the form.
pub(crate) async fn welcome(tx: &mut Tx, site: &SiteUrl, order: &Order) -> Result<(), DbError> {
    let (order_id, terms) = (order.id.to_string(), &order.terms);
    let intake_link = order_links::create_for_guest(tx, site, order).await?;
    let about = format!("order:{order_id}");
    let welcome = Content::OrderWelcome(OrderWelcome {
        customer_name: terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: terms.tier.title().to_owned(),
        amount: Some(terms.amount.clone().into()),
        delivery_time: terms.tier.delivery_time_in_words().to_owned(),
        revisions: order.revisions_left,
        intake_link: intake_link.clone(),
    });
    let intake_request = Content::OrderIntakeRequest(OrderIntakeRequest {
        customer_name: terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: terms.tier.title().to_owned(),
        intake_link,
    });
    let welcome = message(tx, order, about.clone(), welcome);
    let intake_request = message(tx, order, about, intake_request);
    defer(tx, &welcome, format!("order_welcome:{order_id}")).await?;
    fail_point::ORDER_HALF_DEFERRED.reached();
    defer(tx, &intake_request, format!("order_intake_request:{order_id}")).await
}

/// The receipt for the payment of an order.
pub(crate) async fn receipt(tx: &mut Tx, order: &Order, receipt: &Receipt) -> Result<(), DbError> {
    let (order_id, terms) = (order.id.to_string(), &order.terms);
    let content = Content::PaymentReceipt(PaymentReceipt {
        customer_name: terms.customer_name.clone(),
        reference: order_id.clone(),
        item: format!("{}, done for you", terms.tier.title()),
        amount: Some(terms.amount.clone().into()),
        tax: receipt.tax.clone().map(Into::into),
        payment_time: order.pay_time.map(timestamp),
        receipt_link: Some(receipt.link.clone()),
    });
    let mail = message(tx, order, format!("order:{order_id}"), content);
    defer(tx, &mail, format!("payment_receipt:{order_id}")).await
}

/// The confirmation that the intake form is complete.
pub(crate) async fn intake_received(tx: &mut Tx, site: &SiteUrl, order: &Order) -> Result<(), DbError> {
    let order_id = order.id.to_string();
    let content = Content::OrderIntakeReceived(OrderIntakeReceived {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        due_time: order.due_time.map(timestamp),
        order_link: order_links::create_for_guest(tx, site, order).await?,
    });
    let mail = message(tx, order, format!("order:{order_id}"), content);
    defer(tx, &mail, format!("order_intake_received:{order_id}")).await
}

/// The news that the work has begun, or the work on a revision.
pub(crate) async fn started(tx: &mut Tx, site: &SiteUrl, order: &Order) -> Result<(), DbError> {
    let (order_id, round) = (order.id.to_string(), round(order));
    let content = Content::OrderStarted(OrderStarted {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        revision: round > 0,
        due_time: order.due_time.map(timestamp),
        order_link: order_links::create_for_guest(tx, site, order).await?,
    });
    let mail = message(tx, order, format!("order:{order_id}:start:{round}"), content);
    defer(tx, &mail, format!("order_started:{round}:{order_id}")).await
}

/// The delivery.
pub(crate) async fn delivered(tx: &mut Tx, site: &SiteUrl, order: &Order, note: &str) -> Result<(), DbError> {
    let (order_id, round) = (order.id.to_string(), round(order));
    let content = Content::OrderDelivered(OrderDelivered {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        note: Some(note.to_owned()).filter(|note| !note.is_empty()),
        acceptance_time: order.deliver_time.map(|delivered| timestamp(delivered + ACCEPTANCE_PERIOD)),
        revisions_left: order.revisions_left,
        revision_end_time: order.revision_end_time().map(timestamp),
        order_link: order_links::create_for_guest(tx, site, order).await?,
    });
    let mail = message(tx, order, format!("order:{order_id}:delivery:{round}"), content);
    defer(tx, &mail, format!("order_delivered:{round}:{order_id}")).await
}

/// The confirmation that a revision was requested.
pub(crate) async fn revision_received(tx: &mut Tx, site: &SiteUrl, order: &Order) -> Result<(), DbError> {
    let (order_id, round) = (order.id.to_string(), round(order));
    let content = Content::OrderRevisionReceived(OrderRevisionReceived {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        revisions_left: order.revisions_left,
        due_time: order.due_time.map(timestamp),
        order_link: order_links::create_for_guest(tx, site, order).await?,
    });
    let mail = message(tx, order, format!("order:{order_id}:revision:{round}"), content);
    defer(tx, &mail, format!("order_revision_received:{round}:{order_id}")).await
}

/// The confirmation that the work is accepted, by the customer or by silence.
pub(crate) async fn accepted(tx: &mut Tx, order: &Order, party: Party) -> Result<(), DbError> {
    let (order_id, round) = (order.id.to_string(), round(order));
    let content = Content::OrderAccepted(OrderAccepted {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        automatic: party == Party::System,
        revisions_left: order.revisions_left,
        revision_end_time: order.revision_end_time().map(timestamp),
    });
    let mail = message(tx, order, format!("order:{order_id}:acceptance:{round}"), content);
    defer(tx, &mail, format!("order_accepted:{round}:{order_id}")).await
}

/// The news that the delayed payment of an order failed.
pub(crate) async fn cancelled(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    let order_id = order.id.to_string();
    let content = Content::OrderCancelled(OrderCancelled {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
    });
    let mail = message(tx, order, format!("order:{order_id}"), content);
    defer(tx, &mail, format!("order_cancelled:{order_id}")).await
}

/// The end of an order that cost nothing, by staff.
pub(crate) async fn ended(tx: &mut Tx, order: &Order, note: &str) -> Result<(), DbError> {
    let order_id = order.id.to_string();
    let content = Content::OrderEnded(OrderEnded {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        note: note.to_owned(),
    });
    let mail = message(tx, order, format!("order:{order_id}"), content);
    defer(tx, &mail, format!("order_ended:{order_id}")).await
}

/// A new link to the order.
pub(crate) async fn access(tx: &mut Tx, order: &Order, link: &NewLink) -> Result<(), DbError> {
    let order_id = order.id.to_string();
    let content = Content::OrderAccess(OrderAccess {
        customer_name: order.terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: order.terms.tier.title().to_owned(),
        access_link: link.url.clone(),
        expire_time: Some(timestamp(link.expire_time)),
    });
    // Each link has a mail of its own.
    let instant = link.expire_time.timestamp_micros();
    let mail = message(tx, order, format!("order:{order_id}:link:{instant}"), content);
    defer(tx, &mail, format!("order_access:{instant}:{order_id}")).await
}
