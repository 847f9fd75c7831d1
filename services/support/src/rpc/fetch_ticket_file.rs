//! `FetchTicketFile`: fetches a file that came by mail from notifications into the storage. It works without a key, because the state
//! of the file says whether it was fetched. A call that is repeated writes the same place again.

use levqor_proto_mail::v1::{DownloadInboundAttachmentRequest, mail_service_client::MailServiceClient};
use levqor_proto_support::v1::{FetchTicketFileRequest, FetchTicketFileResponse};
use levqor_runtime::{
    chassis::Unanswered,
    context::Ctx,
    db::{DbError, Tx},
    file::{HEAD_BYTES, content_type},
    request::id,
    storage::{Storage, Writer},
    time_limits,
};
use tonic::{Code, Status};

use crate::{
    Support,
    domain::ticket_file::{FileId, FileState, InboundMailId, MOST_BYTES, storage_key},
    error::Error,
    store::ticket_files,
};

pub(super) async fn fetch_ticket_file(
    support: &Support,
    ctx: Ctx,
    request: FetchTicketFileRequest,
) -> Result<FetchTicketFileResponse, Error> {
    let file_id: FileId = id("file_id", &request.file_id)?;
    let mut conn = support.chassis.db.acquire().await?;
    let Some((mail_id, attachment_id)) = ticket_files::source(&mut conn, file_id).await? else {
        return Ok(FetchTicketFileResponse::default());
    };
    let before = ticket_files::stored_bytes(&mut conn, mail_id).await?;
    drop(conn);
    let left = MOST_BYTES.saturating_sub(before.unsigned_abs());
    let fetched = match &support.storage {
        Some(storage) => fetch(support, &ctx, storage, file_id, (mail_id, attachment_id), left).await?,
        None => Err(FileState::NoStorage),
    };
    let mut conn = support.chassis.db.acquire().await?;
    let state = match fetched {
        Ok((kind, size)) => {
            ticket_files::store(&mut conn, file_id, kind, size).await?;
            FileState::Stored
        }
        Err(state) => {
            ticket_files::refuse(&mut conn, file_id, state).await?;
            state
        }
    };
    Ok(FetchTicketFileResponse { state: state.into() })
}

/// The call is given up: staff see that the file cannot be had.
pub(crate) async fn gave_up(tx: &mut Tx, request: &FetchTicketFileRequest) -> Result<(), DbError> {
    let Ok(file_id) = id::<FileId>("file_id", &request.file_id) else { return Ok(()) };
    ticket_files::refuse(tx, file_id, FileState::Gone).await
}

/// Writes a file. Returns its type and size, or why it is not taken.
async fn fetch(
    support: &Support,
    ctx: &Ctx,
    storage: &Storage,
    file_id: FileId,
    (mail_id, attachment_id): (InboundMailId, String),
    left: u64,
) -> Result<Result<(&'static str, i64), FileState>, Error> {
    let unavailable = |why: Unanswered| Error::AttachmentUnavailable(why.reason());
    let request = DownloadInboundAttachmentRequest { inbound_mail_id: mail_id.to_string(), attachment_id };
    let (chassis, request_id) = (&support.chassis, &ctx.request_id);
    let pieces =
        chassis.ask("notifications", request_id, time_limits::MAX, request, async |channel, request| {
            MailServiceClient::new(channel).download_inbound_attachment(request).await
        });
    let mut pieces = match pieces.await {
        Ok(pieces) => pieces,
        Err(Unanswered::Refused(Code::NotFound)) => return Ok(Err(FileState::Gone)),
        Err(why) => return Err(unavailable(why)),
    };
    let key = storage_key(file_id);
    let mut content = Content { storage, key: &key, head: Vec::new(), open: None };
    let broken = |status: Status| unavailable(Unanswered::Refused(status.code()));
    let mut size = 0_u64;
    loop {
        let Some(piece) = pieces.message().await.map_err(broken)? else { break };
        size += piece.data.len() as u64;
        if size > left {
            storage.remove(&key).await?;
            return Ok(Err(FileState::TooLarge));
        }
        if !content.write(&piece.data).await? {
            storage.remove(&key).await?;
            return Ok(Err(FileState::Refused));
        }
    }
    let kind = content.finish().await?;
    Ok(kind.map(|kind| (kind, i64::try_from(size).unwrap_or(i64::MAX))).ok_or(FileState::Refused))
}

/// A content that is being written. Its beginning shows its type.
struct Content<'s> {
    storage: &'s Storage,
    key: &'s str,
    head: Vec<u8>,
    open: Option<(&'static str, Writer)>,
}

impl Content<'_> {
    /// Writes a piece. Returns false if the file is a program.
    async fn write(&mut self, piece: &[u8]) -> Result<bool, Error> {
        if let Some((_, writer)) = &mut self.open {
            writer.write(piece.to_vec().into()).await?;
            return Ok(true);
        }
        self.head.extend_from_slice(piece);
        if self.head.len() < HEAD_BYTES { Ok(true) } else { self.begin().await }
    }

    async fn begin(&mut self) -> Result<bool, Error> {
        let Ok(kind) = content_type(&self.head) else { return Ok(false) };
        let mut writer = self.storage.write(self.key).await?;
        writer.write(std::mem::take(&mut self.head).into()).await?;
        self.open = Some((kind, writer));
        Ok(true)
    }

    /// Ends the file. Returns its type, or `None` if it is a program.
    async fn finish(mut self) -> Result<Option<&'static str>, Error> {
        if self.open.is_none() && !self.begin().await? {
            return Ok(None);
        }
        let Some((kind, writer)) = self.open else { return Ok(None) };
        writer.finish().await?;
        Ok(Some(kind))
    }
}
