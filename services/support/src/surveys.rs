//! Asks the customer of a solved ticket how satisfied they are: the mail about the solution has the link.

use levqor_runtime::db::{DbError, Tx};

use crate::{config::Config, domain::ticket::Ticket, randomness, store::surveys};

/// The link of the survey of a ticket that was just solved. None if no recipient would get it, or if it is answered already.
pub(crate) async fn ask(tx: &mut Tx, config: &Config, ticket: &Ticket) -> Result<Option<String>, DbError> {
    if ticket.customer.email.is_none() {
        return Ok(None);
    }
    let token = randomness::token()?;
    let now = tx.now().await?;
    let asked = surveys::ask(tx, ticket.id, &token.hash(), now).await?;
    Ok(asked.then(|| format!("{}/survey/{}", config.api, token.to_text())))
}
