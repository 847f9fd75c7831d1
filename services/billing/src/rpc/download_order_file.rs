//! Downloads a file of an order, in pieces. Customers download only files of their own orders.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_billing::v1::DownloadOrderFileRequest;
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Billing,
    domain::{order::OrderId, order_file::FileId},
    error::Error,
    store::{order_files, orders},
};

pub(super) async fn download_order_file(
    billing: Arc<Billing>,
    ctx: Ctx,
    request: DownloadOrderFileRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let Query { order_id, file_id } = Query::try_from(&request)?;
    let scope = ctx.scope();
    let mut tx = billing.chassis.db.begin().await?;
    orders::claim(&mut tx, &scope).await?;
    let order = orders::get(&mut tx, &scope, order_id).await?.ok_or(Error::OrderNotFound)?;
    let file = order_files::get(&mut tx, order.id, file_id).await?.ok_or(Error::FileNotFound)?;
    tx.commit().await?;
    billing.send_file(&file).await
}

/// A file of an order.
struct Query {
    order_id: OrderId,
    file_id: FileId,
}

impl TryFrom<&DownloadOrderFileRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &DownloadOrderFileRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        let file_id = violations.field("file_id", &request.file_id);
        violations.finish(order_id.zip(file_id).map(|(order_id, file_id)| Self { order_id, file_id }))
    }
}
