//! Makes links to subscriptions for customers without an account, and finds the subscription of a link. By the link they withdraw
//! from the contract.

use levqor_runtime::{
    db::{DbError, Tx},
    site::SiteUrl,
};
use sqlx::PgConnection;

use crate::{
    domain::{
        order_link::{LinkToken, VALID},
        subscription::{Subscription, SubscriptionId},
    },
    error::Error,
    order_links::{NewLink, new_token},
    store::subscription_links,
};

/// Makes a link to this subscription. It is valid as long after the end of a trial as after now, because the guarantee begins with
/// the first payment.
pub(crate) async fn create(tx: &mut Tx, site: &SiteUrl, row: &Subscription) -> Result<NewLink, DbError> {
    let token = new_token(tx).await?;
    let now = tx.now().await?;
    let expire_time = row.trial_end_time.map_or(now, |end| end.max(now)) + VALID;
    subscription_links::insert(tx, token.id(), row.id, token.tag().as_ref(), expire_time).await?;
    Ok(NewLink { url: format!("{site}/subscription?link={}", token.to_text()), expire_time })
}

/// Makes a link to the subscription of a guest. A customer with an account needs none.
pub(crate) async fn create_for_guest(
    tx: &mut Tx,
    site: &SiteUrl,
    row: &Subscription,
) -> Result<Option<String>, DbError> {
    if row.owner_sub.is_some() {
        return Ok(None);
    }
    create(tx, site, row).await.map(|link| Some(link.url))
}

/// Finds the subscription of a link. A link that is unknown, wrong, expired or revoked reads the same.
pub(crate) async fn subscription_of(
    conn: &mut PgConnection,
    link_token: &str,
) -> Result<SubscriptionId, Error> {
    let token: LinkToken = link_token.parse().map_err(|_| Error::LinkNotFound)?;
    let link = subscription_links::get(conn, token.id()).await?.ok_or(Error::LinkNotFound)?;
    if token.is_of(&link.secret_tag) { Ok(link.subscription_id) } else { Err(Error::LinkNotFound) }
}
