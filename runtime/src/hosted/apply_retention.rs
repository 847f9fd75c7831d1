//! Erases what is older than its retention period, but for the rows of people who are held. Compliance calls it every day.

use levqor_proto_runtime::v1::{ApplyRetentionRequest, ApplyRetentionResponse};

use super::{Error, Hosted, subject};
use crate::{
    context::Ctx,
    email::Email,
    privacy::{self, Catalogue},
    rpc::State,
    service::Service,
};

pub(super) async fn apply_retention<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    _: ApplyRetentionRequest,
) -> Result<ApplyRetentionResponse, Error> {
    let db = &hosted.chassis().db;
    let catalogue = Catalogue::read(&mut *db.acquire().await?).await?;
    let hash = |email: &String| hosted.service.address_hash(&email.parse::<Email>().ok()?);
    let (erased, complete) = privacy::apply_retention(db, &catalogue, hash).await?;
    Ok(ApplyRetentionResponse { erased: subject::table_rows(erased), complete })
}
