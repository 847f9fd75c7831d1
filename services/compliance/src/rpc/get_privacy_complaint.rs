//! Gets one complaint about the use of personal data. Customers get `NOT_FOUND` for the complaint of another person.

use levqor_proto_compliance::v1::{GetPrivacyComplaintRequest, GetPrivacyComplaintResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{Compliance, error::Error, store::privacy_complaints};

pub(super) async fn get_privacy_complaint(
    compliance: &Compliance,
    ctx: Ctx,
    request: GetPrivacyComplaintRequest,
) -> Result<GetPrivacyComplaintResponse, Error> {
    let id = id("privacy_complaint_id", &request.privacy_complaint_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = privacy_complaints::get(&mut conn, &ctx.scope(), id).await?;
    let found = found.ok_or(Error::PrivacyComplaintNotFound)?;
    Ok(GetPrivacyComplaintResponse { privacy_complaint: Some(found.into()) })
}
