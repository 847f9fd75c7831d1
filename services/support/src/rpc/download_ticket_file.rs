//! Downloads a file of one ticket, in pieces. Customers download only files of their own tickets, and none that only staff see.

use std::sync::Arc;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::DownloadTicketFileRequest;
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Support,
    domain::{
        ticket::TicketId,
        ticket_file::{FileId, storage_key},
    },
    error::Error,
    store::{ticket_files, tickets},
};

pub(super) async fn download_ticket_file(
    support: Arc<Support>,
    ctx: Ctx,
    request: DownloadTicketFileRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let Query { ticket_id, file_id } = Query::try_from(&request)?;
    let scope = ctx.scope();
    let mut conn = support.chassis.db.acquire().await?;
    let ticket = tickets::get(&mut conn, &scope, ticket_id).await?.ok_or(Error::TicketNotFound)?;
    let file = ticket_files::get(&mut conn, ticket.id, file_id, scope.is_all()).await?;
    let file = file.ok_or(Error::FileNotFound)?;
    drop(conn);
    let storage = support.storage.as_ref().ok_or(Error::FilesOff)?;
    let pieces = storage.read(&storage_key(file.id)).await?;
    let head = HttpBody { content_type: file.content_type.unwrap_or_default(), ..HttpBody::default() };
    let pieces = pieces.map(|piece| Ok(HttpBody { data: piece?.into(), ..HttpBody::default() }));
    Ok(stream::iter([Ok(head)]).chain(pieces).boxed())
}

/// A file of a ticket.
struct Query {
    ticket_id: TicketId,
    file_id: FileId,
}

impl TryFrom<&DownloadTicketFileRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &DownloadTicketFileRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let ticket_id = violations.field("ticket_id", &request.ticket_id);
        let file_id = violations.field("file_id", &request.file_id);
        violations.finish(ticket_id.zip(file_id).map(|(ticket_id, file_id)| Self { ticket_id, file_id }))
    }
}
