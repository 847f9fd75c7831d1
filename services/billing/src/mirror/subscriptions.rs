//! Writes Stripe's state of a subscription into its row, and mails the customer.

use levqor_runtime::db::{DbError, Tx};

use crate::{
    Billing,
    aftermath::Aftermath,
    domain::{
        checkout_session::CheckoutSession,
        not_understood::NotUnderstood,
        stripe_event::{News, SessionEvent},
        stripe_subscription::{Happened, Step, StripeSubscription},
        subscription::{State, Subscription},
    },
    mails,
    store::{stripe_events::work::Pending, subscriptions},
};

/// The result of mirroring a subscription.
pub(crate) enum Outcome {
    /// The row has Stripe's state.
    Mirrored(Box<Subscription>),
    /// The subscription is not ours.
    NotOurs,
    /// It is ours, but something is missing.
    NotUnderstood(NotUnderstood),
    /// A later state was written during the request to Stripe: the request is made again.
    Stale,
}

/// Writes Stripe's state of a subscription into its row. `seen` is the version of the row before Stripe was asked. The customer gets
/// a mail only about news.
pub(crate) async fn mirror(
    tx: &mut Tx,
    billing: &Billing,
    at_stripe: &StripeSubscription,
    seen: Option<i64>,
    news: News,
    aftermath: &mut Aftermath,
) -> Result<Outcome, DbError> {
    let now = tx.now().await?;
    let package = at_stripe.package(&billing.prices);
    let known = subscriptions::lock_by_stripe(tx, &at_stripe.id).await?;
    let is_linked = known.is_some();
    let known = match (known, at_stripe.subscription_id) {
        (None, Some(id)) => {
            subscriptions::lock(tx, id).await?.filter(|row| row.stripe_subscription_id.is_none())
        }
        (known, _) => known,
    };
    let is_new = known.is_none();
    let mut row = match (known, &package) {
        (Some(row), _) => row,
        (None, None) => return Ok(Outcome::NotOurs),
        (None, Some(package)) => match Subscription::found(at_stripe, package.clone(), now) {
            Some(row) => row,
            None => return Ok(Outcome::NotUnderstood(NotUnderstood::Subscription("customer e-mail"))),
        },
    };
    let version = is_linked.then_some(row.version);
    if seen != version {
        return Ok(Outcome::Stale);
    }
    let mirrored = row.mirror(at_stripe, package, now);
    if is_new {
        subscriptions::insert(tx, &row).await?;
    } else if mirrored.changed {
        subscriptions::update(tx, &row).await?;
    }
    if mirrored.began {
        if news.includes(row.start_time) {
            mails::subscription_started(tx, &billing.site, &row).await?;
        }
        aftermath.audit("subscription.begin", &[("subscription_id", &row.id)]);
    }
    if mirrored.ended {
        if news.includes(row.end_time) {
            mails::subscription_ended(tx, &row).await?;
        }
        aftermath.audit("subscription.end", &[("subscription_id", &row.id)]);
    }
    Ok(Outcome::Mirrored(Box::new(row)))
}

/// Handles a checkout session that has made no subscription: if the session expired, the pending subscription is abandoned.
pub(crate) async fn session_without_subscription(
    tx: &mut Tx,
    session: &CheckoutSession,
    event: SessionEvent,
) -> Result<(), DbError> {
    if !session.has_expired(event) {
        return Ok(());
    }
    let row = match session.our_subscription {
        Some(id) => subscriptions::lock(tx, id).await?,
        None => subscriptions::lock_by_session(tx, &session.id).await?,
    };
    let now = tx.now().await?;
    if let Some(mut row) = row
        && row.abandon(now)
    {
        subscriptions::update(tx, &row).await?;
    }
    Ok(())
}

/// Mails the customer about a change, once per event. Sends nothing if the event is old: then the change is not news.
pub(crate) async fn tell_step(
    tx: &mut Tx,
    row: &Subscription,
    step: &Step,
    happened: &Happened,
    event: &Pending,
) -> Result<(), DbError> {
    // A pending event is quarantined sooner, so an older one was ignored by an older version, or is replayed.
    if !News::is_recent(event.receive_time, tx.now().await?) {
        return Ok(());
    }
    match step {
        Step::Changed { from, to, renewal_time } => {
            mails::subscription_changed(tx, row, (from, to, *renewal_time), happened).await
        }
        Step::Ending(end_time) => mails::subscription_ending(tx, row, *end_time, happened).await,
        Step::Resumed { package, renewal_time } => {
            mails::subscription_resumed(tx, row, (package, *renewal_time), happened).await
        }
    }
}

/// Mails the customer that the trial ends, once for each end. Sends nothing if the event is old, if the trial is over, or if the
/// subscription ends with it.
pub(crate) async fn tell_trial(tx: &mut Tx, row: &Subscription, event: &Pending) -> Result<(), DbError> {
    let now = tx.now().await?;
    let goes_on = row.state == State::Trialing && row.cancel_time.is_none();
    let is_news = goes_on && News::is_recent(event.receive_time, now);
    match row.trial_end_time.filter(|end| is_news && *end > now) {
        Some(end) => mails::trial_ending(tx, row, end).await,
        None => Ok(()),
    }
}
