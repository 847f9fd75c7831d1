//! The mails to customers about their subscriptions and refunds, each deferred in the transaction that mirrors the fact. What a
//! mail says follows from facts that do not change any more, so it is the same whichever event is processed first.

use chrono::{DateTime, Utc};
use levqor_proto_mail::v1::{
    RefundMade, SendMessageRequest, SubscriptionAccess, SubscriptionCancelled, SubscriptionChanged,
    SubscriptionEnding, SubscriptionResumed, SubscriptionStarted, TrialEnding, WithdrawalReceipt,
    send_message_request::Content,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    site::SiteUrl,
    timestamp,
};

use crate::{
    domain::{
        order::Order,
        plan::{Package, Term},
        refund::Refund,
        stripe_subscription::Happened,
        subscription::Subscription,
        withdrawal::Withdrawal,
    },
    order_links::NewLink,
    subscribing::renewal_after,
    subscription_links,
};

/// The subscription has begun: its package, and when it is renewed for the first time. A guest gets a link to withdraw by.
pub(crate) async fn subscription_started(
    tx: &mut Tx,
    site: &SiteUrl,
    row: &Subscription,
) -> Result<(), DbError> {
    let bought = &row.bought;
    let begin = row.start_time.unwrap_or(row.create_time);
    let content = Content::SubscriptionStarted(SubscriptionStarted {
        customer_name: String::new(),
        plan: bought.plan.title().to_owned(),
        term: in_words(bought.term),
        amount: Some(bought.price().into()),
        add_ons: bought.add_ons.iter().map(|add_on| add_on.title().to_owned()).collect(),
        trial_end_time: row.trial_end_time.map(timestamp),
        renewal_time: Some(timestamp(
            row.trial_end_time.unwrap_or_else(|| renewal_after(begin, bought.term)),
        )),
        withdrawal_link: subscription_links::create_for_guest(tx, site, row).await?,
    });
    send(tx, &row.customer_email, format!("subscription:{}", row.id), "subscription_started", content).await
}

/// A new link to the subscription.
pub(crate) async fn subscription_access(
    tx: &mut Tx,
    row: &Subscription,
    link: &NewLink,
) -> Result<(), DbError> {
    let content = Content::SubscriptionAccess(SubscriptionAccess {
        customer_name: row.customer_name.clone(),
        subscription_id: row.id.to_string(),
        plan: row.package.plan.title().to_owned(),
        access_link: link.url.clone(),
        expire_time: Some(timestamp(link.expire_time)),
    });
    // Each link has a mail of its own. Two links to a subscription on trial expire at the same time.
    let instant = tx.now().await?.timestamp_micros();
    let about = format!("subscription:{}:link:{instant}", row.id);
    send(tx, &row.customer_email, about, "subscription_access", content).await
}

/// The subscription has ended.
pub(crate) async fn subscription_ended(tx: &mut Tx, row: &Subscription) -> Result<(), DbError> {
    let end = row.end_time.or(row.cancel_time).or(row.period_end_time).unwrap_or(row.update_time);
    let content = Content::SubscriptionCancelled(SubscriptionCancelled {
        customer_name: String::new(),
        plan: row.bought.plan.title().to_owned(),
        end_time: Some(timestamp(end)),
    });
    send(tx, &row.customer_email, format!("subscription:{}", row.id), "subscription_ended", content).await
}

/// The subscription is to end at this time.
pub(crate) async fn subscription_ending(
    tx: &mut Tx,
    row: &Subscription,
    end: DateTime<Utc>,
    event: &Happened,
) -> Result<(), DbError> {
    let content = Content::SubscriptionEnding(SubscriptionEnding {
        customer_name: String::new(),
        plan: row.bought.plan.title().to_owned(),
        end_time: Some(timestamp(end)),
    });
    // A customer may cancel, resume and cancel again: each step has its mail.
    let about = format!("subscription:{}:ending:{}", row.id, event.event_id);
    send(tx, &row.customer_email, about, "subscription_ending", content).await
}

/// The planned end of the subscription was cancelled: it continues with this package.
pub(crate) async fn subscription_resumed(
    tx: &mut Tx,
    row: &Subscription,
    (package, renewal_time): (&Package, Option<DateTime<Utc>>),
    event: &Happened,
) -> Result<(), DbError> {
    let renewal_time = renewal_time.unwrap_or_else(|| renewal_after(event.time, package.term));
    let content = Content::SubscriptionResumed(SubscriptionResumed {
        customer_name: String::new(),
        plan: package.plan.title().to_owned(),
        term: in_words(package.term),
        amount: Some(package.price().into()),
        renewal_time: Some(timestamp(renewal_time)),
    });
    let about = format!("subscription:{}:resumed:{}", row.id, event.event_id);
    send(tx, &row.customer_email, about, "subscription_resumed", content).await
}

/// The trial ends at this time. A trial that is prolonged ends again, and has another mail then.
pub(crate) async fn trial_ending(tx: &mut Tx, row: &Subscription, end: DateTime<Utc>) -> Result<(), DbError> {
    let package = &row.package;
    let content = Content::TrialEnding(TrialEnding {
        customer_name: String::new(),
        plan: package.plan.title().to_owned(),
        term: in_words(package.term),
        amount: Some(package.price().into()),
        trial_end_time: Some(timestamp(end)),
    });
    let about = format!("subscription:{}:trial-end:{}", row.id, end.timestamp());
    send(tx, &row.customer_email, about, "trial_ending", content).await
}

/// The subscription was changed.
pub(crate) async fn subscription_changed(
    tx: &mut Tx,
    row: &Subscription,
    (from, to, renewal_time): (&Package, &Package, Option<DateTime<Utc>>),
    event: &Happened,
) -> Result<(), DbError> {
    let renewal_time = renewal_time.unwrap_or_else(|| renewal_after(event.time, to.term));
    let content = Content::SubscriptionChanged(SubscriptionChanged {
        customer_name: String::new(),
        old_plan: from.to_string(),
        new_plan: to.to_string(),
        term: in_words(to.term),
        amount: Some(to.price().into()),
        charged_now: None,
        effective_time: Some(timestamp(event.time)),
        renewal_time: Some(timestamp(renewal_time)),
    });
    let about = format!("subscription:{}:changed:{}", row.id, event.event_id);
    send(tx, &row.customer_email, about, "subscription_changed", content).await
}

/// A refund of an order succeeded.
pub(crate) async fn refund_made(tx: &mut Tx, order: &Order, refund: &Refund) -> Result<(), DbError> {
    let terms = &order.terms;
    let content = Content::RefundMade(RefundMade {
        customer_name: terms.customer_name.clone(),
        reference: order.id.to_string(),
        item: terms.tier.title().to_owned(),
        amount: Some(refund.amount.clone().into()),
        refund_time: Some(timestamp(refund.made_time.unwrap_or(refund.create_time))),
        full: refund.amount.minor_units == order.paid_minor,
    });
    let id = refund.stripe_refund_id.as_ref().map_or_else(|| refund.id.to_string(), ToString::to_string);
    send(tx, &terms.customer_email, format!("refund:{id}"), "refund_made", content).await
}

/// Money of a subscription that the customer withdrew from is back.
pub(crate) async fn subscription_refund_made(
    tx: &mut Tx,
    row: &Subscription,
    refund: &Refund,
    full: bool,
) -> Result<(), DbError> {
    let content = Content::RefundMade(RefundMade {
        customer_name: row.customer_name.clone(),
        reference: row.id.to_string(),
        item: format!("{} subscription", row.package),
        amount: Some(refund.amount.clone().into()),
        refund_time: Some(timestamp(refund.made_time.unwrap_or(refund.create_time))),
        full,
    });
    send(tx, &row.customer_email, format!("refund:{}", refund.id), "refund_made", content).await
}

/// The receipt for a withdrawal, on a durable medium: Consumer Rights Directive, art. 11a.
pub(crate) async fn withdrawal_receipt(
    tx: &mut Tx,
    (recipient, customer_name): (&Email, &str),
    item: &str,
    withdrawal: &Withdrawal,
) -> Result<(), DbError> {
    let content = Content::WithdrawalReceipt(WithdrawalReceipt {
        customer_name: customer_name.to_owned(),
        reference: withdrawal.about.reference(),
        item: item.to_owned(),
        statement: withdrawal.statement.clone(),
        withdrawal_time: Some(timestamp(withdrawal.create_time)),
        amount: Some(withdrawal.amount.clone().into()),
    });
    send(tx, recipient, format!("withdrawal:{}", withdrawal.id), "withdrawal_receipt", content).await
}

fn in_words(term: Term) -> String {
    match term {
        Term::Monthly => "month".to_owned(),
        Term::Yearly => "year".to_owned(),
    }
}

async fn send(
    tx: &mut Tx,
    recipient: &Email,
    about: String,
    name: &str,
    content: Content,
) -> Result<(), DbError> {
    let message = SendMessageRequest {
        recipient: recipient.as_str().to_owned(),
        about: about.clone(),
        locale: tx.locale().to_owned(),
        content: Some(content),
        ..Default::default()
    };
    defer(tx, &message, format!("{name}:{about}")).await
}
