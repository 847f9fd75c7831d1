//! Counts who accepted what has to be accepted now, and who accepted only earlier versions.

use levqor_proto_compliance::v1::{AcceptanceCount, CountAcceptancesRequest, CountAcceptancesResponse};
use levqor_runtime::{context::Ctx, db};

use crate::{
    Compliance,
    domain::legal_document::{DocumentKind, sufficient},
    error::Error,
    store::{declarations, legal_documents},
};

pub(super) async fn count_acceptances(
    compliance: &Compliance,
    _: Ctx,
    _: CountAcceptancesRequest,
) -> Result<CountAcceptancesResponse, Error> {
    compliance.legal.ready(&compliance.chassis.db).await?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let now = db::now(&mut conn).await?;
    let documents = legal_documents::all(&mut conn).await?;
    let mut counts = Vec::new();
    for kind in DocumentKind::ALL {
        let enough = sufficient(&documents, kind, now);
        let required = enough.iter().min_by_key(|document| (document.effective_time, document.publish_time));
        let version = required.map(|document| document.version.clone()).unwrap_or_default();
        let versions: Vec<_> = enough.iter().map(|document| document.version.clone()).collect();
        let (accepted, mut pending) =
            declarations::count_acceptances(&mut conn, kind.as_str(), &versions).await?;
        if versions.is_empty() {
            pending = 0;
        }
        counts.push(AcceptanceCount { kind: kind.into(), version, accepted, pending });
    }
    Ok(CountAcceptancesResponse { counts })
}
