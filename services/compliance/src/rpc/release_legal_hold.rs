//! Releases a legal hold, by staff. When every service knows about the release, the erasures that waited for it continue.

use levqor_proto_compliance::v1::{ReleaseLegalHoldRequest, ReleaseLegalHoldResponse};
use levqor_runtime::{
    context::Ctx,
    privacy::{self, HoldKind},
    request::id,
    rpc::{Done, mutate},
};

use crate::{Compliance, domain::hold::HoldOfPeople, error::Error, holding, store::placed_holds};

pub(super) async fn release_legal_hold(
    compliance: &Compliance,
    ctx: Ctx,
    request: ReleaseLegalHoldRequest,
) -> Result<ReleaseLegalHoldResponse, Error> {
    let id = id("legal_hold_id", &request.legal_hold_id)?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = placed_holds::lock(tx, id).await?.filter(|hold| hold.kind == HoldKind::LegalHold);
        let mut hold = found.ok_or(Error::HoldNotFound)?;
        let now = tx.now().await?;
        holding::release(tx, &mut hold, now).await?;
        let people = privacy::subject_of_hold(tx, id.as_uuid()).await?;
        let emails = people.emails.into_iter().collect();
        let shown = HoldOfPeople { hold, emails, subs: people.subs.into_iter().collect() };
        let response = ReleaseLegalHoldResponse { legal_hold: Some(shown.into()) };
        Ok(Done::audited(response, "legal_hold.release", &[("legal_hold_id", &id)]))
    })
    .await
}
