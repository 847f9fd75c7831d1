//! The end of an erasure in a service's database.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    audit,
    context::Actor,
    db::DbError,
    fail_point,
    privacy::{self, Subject},
    service::Service,
};

/// Completes an erasure without remaining rows: reports it to its service, and adds it to the audit chain. A second call does nothing.
///
/// `recorded`: when it was recorded, if a restore undid it. What the person did since then is not part of it.
pub(crate) async fn finish<S: Service>(
    service: &S,
    actor: &Actor,
    id: Uuid,
    subject: &Subject,
    recorded: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    fail_point::SUBJECT_ERASED.reached();
    let mut tx = service.chassis().db.begin().await?;
    let time = match recorded {
        Some(time) => time,
        None => tx.now().await?,
    };
    if privacy::complete(&mut tx, id, time).await? {
        let erasure_id = id.hyphenated().to_string();
        service.erased(&mut tx, id, subject).await?;
        audit::append(&mut tx, actor, "subject.erase", &[("erasure_id", &erasure_id)]).await?;
        tx.commit().await?;
        fail_point::SUBJECT_COMPLETED.reached();
    }
    Ok(())
}
