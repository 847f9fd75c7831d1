//! The legal documents that come with the service: each process that starts stores those that the database does not have.

use levqor_runtime::db::{Db, DbError};
use tokio::sync::OnceCell;

use crate::{domain::legal_document::shipped, store::legal_documents};

/// Whether the documents are stored.
#[derive(Default)]
pub(crate) struct Shipped(OnceCell<()>);

impl Shipped {
    /// Stores the documents, unless this process has done it already.
    pub(crate) async fn ready(&self, db: &Db) -> Result<(), DbError> {
        let store = async || {
            let mut tx = db.begin().await?;
            let now = tx.now().await?;
            for document in shipped(now) {
                legal_documents::insert(&mut tx, &document).await?;
            }
            tx.commit().await
        };
        self.0.get_or_try_init(store).await?;
        Ok(())
    }
}
