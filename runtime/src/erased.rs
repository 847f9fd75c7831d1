//! The end of an erasure in a service's database.

use uuid::Uuid;

use crate::{
    audit,
    context::Actor,
    db::DbError,
    fail_point,
    privacy::{self, Subject},
    service::Service,
};

/// Completes an erasure that has nothing left to do: its service is told, and the audit chain has it. A second call does nothing.
pub(crate) async fn finish<S: Service>(
    service: &S,
    actor: &Actor,
    id: Uuid,
    subject: &Subject,
) -> Result<(), DbError> {
    fail_point::SUBJECT_ERASED.reached();
    let mut tx = service.chassis().db.begin().await?;
    if privacy::complete(&mut tx, id).await? {
        let erasure_id = id.hyphenated().to_string();
        service.erased(&mut tx, id, subject).await?;
        audit::append(&mut tx, actor, "subject.erase", &[("erasure_id", &erasure_id)]).await?;
        tx.commit().await?;
        fail_point::SUBJECT_COMPLETED.reached();
    }
    Ok(())
}
