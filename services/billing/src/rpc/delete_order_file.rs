//! Deletes a file of an order. Customers delete only files that a customer uploaded, of their own orders. The content is removed
//! after the commit.

use levqor_proto_billing::v1::{DeleteOrderFileRequest, DeleteOrderFileResponse, SweepOrderFilesRequest};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::{order::OrderId, order_event::Party, order_file::FileId},
    error::Error,
    order_steps,
    store::{order_files, orders},
};

pub(super) async fn delete_order_file(
    billing: &Billing,
    ctx: Ctx,
    request: DeleteOrderFileRequest,
) -> Result<DeleteOrderFileResponse, Error> {
    let Command { order_id, file_id } = Command::try_from(&request)?;
    mutate(billing, &ctx, &request, async |tx| {
        let order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        let file = order_files::get(tx, order.id, file_id).await?.ok_or(Error::FileNotFound)?;
        if order_steps::party(&ctx) == Party::Customer && file.uploader != Party::Customer {
            return Err(Error::FileOfStaff);
        }
        order_files::delete(tx, file.id).await?;
        defer(tx, &SweepOrderFilesRequest {}, format!("sweep_order_file:{file_id}")).await?;
        let ids: [(_, &dyn std::fmt::Display); 2] = [("order_id", &order_id), ("file_id", &file_id)];
        Ok(Done::audited(DeleteOrderFileResponse {}, "order_file.delete", &ids))
    })
    .await
}

/// A file of an order.
struct Command {
    order_id: OrderId,
    file_id: FileId,
}

impl TryFrom<&DeleteOrderFileRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &DeleteOrderFileRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        let file_id = violations.field("file_id", &request.file_id);
        violations.finish(order_id.zip(file_id).map(|(order_id, file_id)| Self { order_id, file_id }))
    }
}
