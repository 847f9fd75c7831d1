//! Decides whether a mail may go to its recipient: when the mail is stored, and again in the transaction that records each
//! attempt. No other code decides this.
//!
//! Code that reads or changes the permissions and suppressions of an address locks (holds) the address until the transaction
//! ends. So a change is either seen by an attempt, or is made after the attempt was recorded. Code that locks a message too locks
//! the message first.

use levqor_runtime::db::{DbError, Tx};

use crate::{
    domain::{
        address::AddressHash,
        class::{Category, Class},
        marketing_policy::{self, MarketingPolicy},
        message::MessageId,
        permit::{self, Permit, Standing},
    },
    store::{messages::recipients, permissions, suppressions},
};

/// Decides whether a message may go to this address now. Holds the address.
pub(crate) async fn permit(
    tx: &mut Tx,
    message: MessageId,
    (class, category): (Class, Category),
    recipient: &AddressHash,
    policy: &MarketingPolicy,
) -> Result<Permit, DbError> {
    let permit = permit_ever(tx, class, category, recipient).await?;
    let now = tx.now().await?;
    if class != Class::Marketing || permit != Permit::Granted {
        return Ok(permit);
    }
    let since = now - marketing_policy::WINDOW;
    let earlier = recipients::marketing_sent(tx, recipient, message, policy.most.0, since).await?;
    Ok(policy.not_before(earlier, now).map_or(Permit::Granted, Permit::Later))
}

/// Decides whether mails of this class and category may go to this address, now or later. Holds the address.
pub(crate) async fn permit_ever(
    tx: &mut Tx,
    class: Class,
    category: Category,
    recipient: &AddressHash,
) -> Result<Permit, DbError> {
    suppressions::hold(tx, recipient).await?;
    let now = tx.now().await?;
    let standing = Standing {
        suppressions: suppressions::of_address(tx, recipient).await?,
        permission: permissions::state(tx, recipient, category).await?,
    };
    Ok(permit::permit(class, &standing, now))
}
