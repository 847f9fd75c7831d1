//! `RemoveSuppression`: staff let an address get mail again; recorded in the audit chain.

use levqor_proto_notifications::v1::{RemoveSuppressionRequest, RemoveSuppressionResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{Notifications, error::Error, store::suppressions};

pub(super) async fn remove_suppression(
    notifications: &Notifications,
    ctx: Ctx,
    request: RemoveSuppressionRequest,
) -> Result<RemoveSuppressionResponse, Error> {
    let suppression_id = id("suppression_id", &request.suppression_id)?;
    mutate(notifications, &ctx, &request, async |tx| {
        let removed = suppressions::remove(tx, suppression_id).await?.ok_or(Error::SuppressionNotFound)?;
        let response = RemoveSuppressionResponse { suppression: Some(removed.into()) };
        Ok(Done::audited(response, "suppression.remove", &[("suppression_id", &suppression_id)]))
    })
    .await
}
