//! `GetMessagePreview`: shows staff one part of a message as its recipient sees it.

use std::sync::Arc;

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{GetMessagePreviewRequest, get_message_preview_request::Format};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{Notifications, domain::message::MessageId, error::Error, store::messages};

pub(super) async fn get_message_preview(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: GetMessagePreviewRequest,
) -> Result<HttpBody, Error> {
    let Query { id, format } = Query::try_from(&request)?;
    let mut conn = state.chassis.db.acquire().await?;
    let body = messages::body(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    let (content_type, part) = match format {
        Format::Unspecified | Format::Html => ("text/html; charset=utf-8", body.html),
        Format::Text => ("text/plain; charset=utf-8", body.text),
    };
    Ok(HttpBody { content_type: content_type.to_owned(), data: part.into_bytes(), extensions: Vec::new() })
}

/// A valid request.
struct Query {
    id: MessageId,
    format: Format,
}

impl TryFrom<&GetMessagePreviewRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &GetMessagePreviewRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
        let format = Format::try_from(request.format).ok();
        if format.is_none() {
            violations.add("format", "expected a format of previews");
        }
        violations.finish(id.zip(format).map(|(id, format)| Self { id, format }))
    }
}
