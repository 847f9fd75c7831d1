//! Makes links to orders for customers without an account, and finds the order of a link.

use levqor_runtime::{
    db::{DbError, Tx},
    site::SiteUrl,
};
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::PgConnection;

use crate::{
    domain::{
        order::{Order, OrderId},
        order_link::{LinkId, LinkToken, SECRET_BYTES, VALID},
    },
    error::Error,
    store::order_links,
};

/// A new link, as its mail needs it.
pub(crate) struct NewLink {
    /// Where it leads.
    pub(crate) url: String,
    /// When it stops to be valid.
    pub(crate) expire_time: chrono::DateTime<chrono::Utc>,
}

/// A token with a new id and a random secret.
pub(crate) async fn new_token(tx: &mut Tx) -> Result<LinkToken, DbError> {
    let now = tx.now().await?;
    let mut secret = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut secret).map_err(|_| no_randomness())?;
    Ok(LinkToken::new(LinkId::new_at(now), secret))
}

/// Makes a link to this order.
pub(crate) async fn create(tx: &mut Tx, site: &SiteUrl, order_id: OrderId) -> Result<NewLink, DbError> {
    let token = new_token(tx).await?;
    let expire_time = tx.now().await? + VALID;
    order_links::insert(tx, token.id(), order_id, token.tag().as_ref(), expire_time).await?;
    Ok(NewLink { url: format!("{site}/order?link={}", token.to_text()), expire_time })
}

/// Makes a link to the order of a guest. A customer with an account needs none.
pub(crate) async fn create_for_guest(
    tx: &mut Tx,
    site: &SiteUrl,
    order: &Order,
) -> Result<Option<String>, DbError> {
    if order.owner_sub.is_some() {
        return Ok(None);
    }
    create(tx, site, order.id).await.map(|link| Some(link.url))
}

/// Finds the order of a link. A link that is unknown, wrong, expired or revoked reads the same.
pub(crate) async fn order_of(conn: &mut PgConnection, link_token: &str) -> Result<OrderId, Error> {
    let token: LinkToken = link_token.parse().map_err(|_| Error::LinkNotFound)?;
    let link = order_links::get(conn, token.id()).await?.ok_or(Error::LinkNotFound)?;
    if token.is_of(&link.secret_tag) { Ok(link.order_id) } else { Err(Error::LinkNotFound) }
}

/// The operating system gave no random bytes: nothing is written, and the call is tried again.
fn no_randomness() -> DbError {
    DbError::Unavailable(sqlx::Error::Configuration("no random bytes".into()))
}
