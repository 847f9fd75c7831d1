//! Uploads a file of a link's order. The link is the only permission that it needs. It is not written with `mutate`, for the
//! same reason as `UploadOrderFile`.

use std::sync::Arc;

use levqor_proto_billing::v1::{UploadLinkedOrderFileRequest, UploadLinkedOrderFileResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    rpc::Further,
};

use super::upload_order_file::{Upload, file_name};
use crate::{Billing, domain::order_event::Party, error::Error, order_links, store::orders};

pub(super) async fn upload_linked_order_file(
    billing: Arc<Billing>,
    ctx: Ctx,
    first: UploadLinkedOrderFileRequest,
    further: Further<UploadLinkedOrderFileRequest>,
) -> Result<UploadLinkedOrderFileResponse, Error> {
    let name = file_name(&first.name)?;
    let mut conn = billing.chassis.db.acquire().await?;
    let order_id = order_links::order_of(&mut conn, &first.link_token).await?;
    let order = orders::get(&mut conn, &Scope::All, order_id).await?.ok_or(Error::LinkNotFound)?;
    drop(conn);
    let asked = UploadLinkedOrderFileRequest { file: None, ..first.clone() };
    let upload = Upload { order, party: Party::Customer, name };
    let file = upload.take(&billing, &ctx, &asked, first, further).await?;
    Ok(UploadLinkedOrderFileResponse { file: Some(file) })
}
