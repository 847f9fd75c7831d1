//! The local mailbox: the provider of a mesh without an external provider. Staff read its mail through this service's RPCs.

use levqor_runtime::db::{self, Db, DbError};

use super::{Answer, Trouble};
use crate::{
    domain::message::{Mail, Receipt},
    store,
};

/// A mailbox in this service's own database. Like an external provider that honours idempotency keys, it stores a mail once.
pub struct Mailbox {
    db: Db,
}

impl Mailbox {
    /// The provider name in receipts.
    pub const NAME: &str = "mailbox";

    /// The mailbox of this database.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Takes a mail. A mail with the same key is stored once.
    pub async fn deliver(&self, mail: &Mail) -> Answer {
        match self.take(mail).await {
            Ok(id) => Answer::Accepted(Receipt {
                provider: Self::NAME.to_owned(),
                provider_message_id: id.to_string(),
            }),
            // A failing database counts as a provider that does not answer, whatever the reason, so that no mail is lost.
            Err(error) => Answer::Ambiguous(Trouble::because("the mailbox does not answer", error)),
        }
    }

    async fn take(&self, mail: &Mail) -> Result<store::mailbox::MailboxId, DbError> {
        let mut conn = self.db.acquire().await?;
        let now = db::now(&mut conn).await?;
        store::mailbox::take(&mut conn, mail, now).await
    }
}
