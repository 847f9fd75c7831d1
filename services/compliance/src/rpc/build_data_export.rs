//! Builds the copy of a data request, and mails the link to it. This service calls it. It works without `mutate`, because it asks the
//! other services and writes the archive between two transactions: a lease makes sure that one call at a time builds.

use levqor_proto_compliance::v1::{BuildDataExportRequest, BuildDataExportResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    request::id,
};

use crate::{
    Compliance,
    domain::{
        data_request::{DataRequest, Step},
        export::{LinkToken, storage_key},
    },
    error::Error,
    exports::Built,
    mails, operators,
    peers::Peers,
    store::{data_exports, data_requests},
};

pub(super) async fn build_data_export(
    compliance: &Compliance,
    ctx: Ctx,
    request: BuildDataExportRequest,
) -> Result<BuildDataExportResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    let db = &compliance.chassis.db;
    let mut tx = db.begin().await?;
    let mut found = data_requests::lock(&mut tx, &Scope::All, id).await?.ok_or(Error::DataRequestNotFound)?;
    if found.state.is_over() {
        // It was cancelled, or an earlier call built it.
        return Ok(BuildDataExportResponse::default());
    }
    let now = tx.now().await?;
    found.take(Step::Build, now)?;
    data_requests::update(&mut tx, &found).await?;
    let places = compliance.vault()?.archives.places();
    let begun = data_exports::begin(&mut tx, id, &places, now).await?;
    let build_number = begun.ok_or(Error::ExportUnderWay)?;
    tx.commit().await?;
    match build(compliance, &ctx, &mut found, build_number).await {
        Ok(built) => {
            finish(compliance, &mut found, build_number, built).await?;
            Ok(BuildDataExportResponse { row_count: built.size.rows })
        }
        Err(error) => {
            let mut conn = db.acquire().await?;
            let now = levqor_runtime::db::now(&mut conn).await?;
            data_exports::release(&mut conn, id, build_number, now).await?;
            Err(error)
        }
    }
}

async fn build(
    compliance: &Compliance,
    ctx: &Ctx,
    found: &mut DataRequest,
    build_number: i32,
) -> Result<Built, Error> {
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    found.subject = peers.resolve(found.subject.clone()).await?;
    let now = levqor_runtime::db::now(&mut *compliance.chassis.db.acquire().await?).await?;
    Box::pin(compliance.build(&peers, found, build_number, now)).await
}

/// The archive is whole: its link goes out.
async fn finish(
    compliance: &Compliance,
    found: &mut DataRequest,
    build_number: i32,
    built: Built,
) -> Result<(), Error> {
    let token = LinkToken::random();
    let mut tx = compliance.chassis.db.begin().await?;
    let now = tx.now().await?;
    let mut request =
        data_requests::lock(&mut tx, &Scope::All, found.id).await?.ok_or(Error::DataRequestNotFound)?;
    if request.state.is_over() {
        // An erasure has ended it, and its sweep has removed the stored parts of the archive. If the removal fails now, the next
        // sweep makes it. Or another build was faster.
        data_exports::reopen(&mut tx, found.id, now).await?;
        tx.commit().await?;
        compliance.vault()?.archives.remove(&storage_key(found.id, build_number)).await?;
        return Ok(());
    }
    // An earlier build may have left an archive elsewhere.
    let archives = &compliance.vault()?.archives;
    let places = if build_number == 1 { archives.places_of(built.stored) } else { Vec::new() };
    let hash = token.hash();
    let whole = (hash.as_slice(), built.size, places.as_slice());
    if !data_exports::ready(&mut tx, found.id, build_number, whole, now).await? {
        return Err(Error::ExportUnderWay);
    }
    request.take(Step::Finish, now)?;
    request.subject = std::mem::take(&mut found.subject);
    data_requests::update(&mut tx, &request).await?;
    let link = format!("{}/privacy/copies/{}", compliance.config.api, token.as_str());
    mails::ready(&mut tx, &request, link).await?;
    if archives.has_several() {
        operators::copy_stored(&mut tx, request.id, built.stored, now).await?;
    }
    tx.commit().await?;
    Ok(())
}
