//! Uploads a file of an order, for its customer or staff. It is not written with `mutate`: the content is read between two
//! transactions. The first records that an upload begins, the second that the file is whole, under the idempotency key.

use std::sync::Arc;

use levqor_proto_billing::v1::{self as wire, UploadOrderFileRequest, UploadOrderFileResponse};
use levqor_runtime::{
    audit,
    context::Ctx,
    error::{Invalid, Violations},
    file::harmless_name,
    idempotency::{self, Claim},
    rpc::Further,
    timestamp,
};
use prost::Message;

use crate::{
    Billing,
    domain::{
        order::{Order, OrderId},
        order_event::Party,
        order_file::OrderFile,
    },
    error::Error,
    order_files::Piece,
    order_steps,
    store::{order_files, orders},
};

pub(super) async fn upload_order_file(
    billing: Arc<Billing>,
    ctx: Ctx,
    first: UploadOrderFileRequest,
    further: Further<UploadOrderFileRequest>,
) -> Result<UploadOrderFileResponse, Error> {
    let Command { order_id, name } = Command::try_from(&first)?;
    let mut tx = billing.chassis.db.begin().await?;
    let order = orders::lock(&mut tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
    tx.commit().await?;
    // The key covers the fields of the request and the content's hash, instead of the content.
    let asked = UploadOrderFileRequest { file: None, ..first.clone() };
    let upload = Upload { order, party: order_steps::party(&ctx), name };
    let file = upload.take(&billing, &ctx, &asked, first, further).await?;
    Ok(UploadOrderFileResponse { file: Some(file) })
}

/// A file that the caller may upload.
pub(super) struct Upload {
    pub(super) order: Order,
    pub(super) party: Party,
    /// The name, made harmless.
    pub(super) name: String,
}

impl Upload {
    /// Takes the file in. A call that was made before with this key, request and content gets the earlier file.
    pub(super) async fn take<P: Piece + Message + Default>(
        self,
        billing: &Billing,
        ctx: &Ctx,
        asked: &P,
        first: P,
        further: Further<P>,
    ) -> Result<wire::OrderFile, Error> {
        let Self { order, party, name } = self;
        order.check_paid()?;
        let received = billing.receive_file(&order, party, &name, first, further).await?;
        let file_id = received.file_id;
        let stored = async {
            let mut tx = billing.chassis.db.begin().await?;
            let keyed = [asked.encode_to_vec().as_slice(), received.hash.as_ref()].concat();
            let ticket = match idempotency::claim(&mut tx, ctx, &keyed).await? {
                Claim::Replay(earlier) => return Ok((earlier, true)),
                Claim::Fresh(ticket) => ticket,
            };
            order_files::store(&mut tx, file_id, received.content_type, received.size_bytes).await?;
            let file = wire::OrderFile::from(OrderFile {
                id: file_id,
                order_id: order.id,
                uploader: party,
                name,
                content_type: received.content_type.to_owned(),
                size_bytes: received.size_bytes,
                create_time: tx.now().await?,
            });
            ticket.remember(&mut tx, &file).await?;
            let (order_id, file_id) = (order.id.to_string(), file_id.to_string());
            let ids = [("order_id", order_id.as_str()), ("file_id", file_id.as_str())];
            audit::append(&mut tx, &ctx.actor, "order_file.upload", &ids).await?;
            tx.commit().await?;
            Ok::<_, Error>((file, false))
        };
        let stored = stored.await;
        if !matches!(stored, Ok((_, false))) {
            billing.discard_file(&order, file_id).await;
        }
        stored.map(|(file, _)| file)
    }
}

/// The order, and the harmless name of the file.
struct Command {
    order_id: OrderId,
    name: String,
}

impl TryFrom<&UploadOrderFileRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &UploadOrderFileRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        let name = violations.take(file_name(&request.name));
        violations.finish(order_id.zip(name).map(|(order_id, name)| Self { order_id, name }))
    }
}

/// The harmless name of a file.
pub(super) fn file_name(name: &str) -> Result<String, Invalid> {
    harmless_name(name).map_err(|_| Invalid::of("name", "expected a file that is not a program"))
}

impl From<OrderFile> for wire::OrderFile {
    fn from(file: OrderFile) -> Self {
        Self {
            file_id: file.id.to_string(),
            name: file.name,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            uploader: file.uploader.into(),
            create_time: Some(timestamp(file.create_time)),
        }
    }
}
