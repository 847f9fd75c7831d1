//! The local mailbox: the provider of a mesh that has no other. Staff read its mail through this service's own RPCs.

use levqor_runtime::db::{self, Db, DbError};

use super::{Answer, Trouble};
use crate::{
    domain::message::{Mail, Receipt},
    store,
};

/// A mailbox in this service's own database, behind the same promise that a provider outside makes.
pub struct Mailbox {
    db: Db,
}

impl Mailbox {
    /// The name in receipts.
    pub const NAME: &str = "mailbox";

    /// The mailbox of this database.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Takes a mail, once.
    pub async fn deliver(&self, mail: &Mail) -> Answer {
        match self.take(mail).await {
            Ok(id) => Answer::Accepted(Receipt {
                provider: Self::NAME.to_owned(),
                provider_message_id: id.to_string(),
            }),
            // A database that fails is a provider that does not answer, whatever the reason: no mail is lost over it.
            Err(error) => Answer::Ambiguous(Trouble::because("the mailbox does not answer", error)),
        }
    }

    async fn take(&self, mail: &Mail) -> Result<store::mailbox::MailboxId, DbError> {
        let mut conn = self.db.acquire().await?;
        let now = db::now(&mut conn).await?;
        store::mailbox::take(&mut conn, mail, now).await
    }
}
