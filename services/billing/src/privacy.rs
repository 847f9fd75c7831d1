//! Why the erasure of a customer has to wait: an open order, an active subscription, or a customer at Stripe that cannot be deleted without
//! a key.

use levqor_runtime::{
    db::DbError,
    privacy::{Obstacle, Subject},
};
use sqlx::PgConnection;

use crate::store::{orders, subscriptions};

/// The reasons why the erasure of this subject has to wait now. Without a key, billing cannot delete their customer at Stripe.
pub(crate) async fn obstacles(
    conn: &mut PgConnection,
    subject: &Subject,
    has_key: bool,
) -> Result<Vec<Obstacle>, DbError> {
    let subs: Vec<_> = subject.subs.iter().cloned().collect();
    let emails: Vec<_> = subject.emails.iter().cloned().collect();
    let orders = orders::open_of(conn, &subs, &emails).await?;
    let subscriptions = subscriptions::running_of(conn, &subs, &emails).await?;
    let of_order = |id| Obstacle { reason: "ORDER_OPEN", about: format!("order {id}") };
    let of_subscription =
        |id| Obstacle { reason: "SUBSCRIPTION_ACTIVE", about: format!("subscription {id}") };
    let without_key = (!has_key && !subject.vendor_ids.is_empty())
        .then(|| Obstacle { reason: "STRIPE_KEY_MISSING", about: "customer at Stripe".to_owned() });
    let orders = orders.into_iter().map(of_order);
    Ok(orders.chain(subscriptions.into_iter().map(of_subscription)).chain(without_key).collect())
}
