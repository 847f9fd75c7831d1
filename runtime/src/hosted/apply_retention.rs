//! Erases data that is older than its retention period, except the rows of people under a hold. Compliance calls it every day.

use levqor_proto_runtime::v1::{ApplyRetentionRequest, ApplyRetentionResponse};

use super::{Error, Hosted, read_id};
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
    request: ApplyRetentionRequest,
) -> Result<ApplyRetentionResponse, Error> {
    let run_id = read_id("run_id", &request.run_id, "a run")?;
    let db = &hosted.chassis().db;
    let catalogue = Catalogue::read(&mut *db.acquire().await?).await?;
    let hash = |email: &String| hosted.service.address_hash(&email.parse::<Email>().ok()?);
    let (outcomes, complete) = privacy::apply_retention(db, &catalogue, run_id, hash).await?;
    Ok(ApplyRetentionResponse { outcomes, complete })
}
