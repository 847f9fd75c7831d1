//! Posts a message to a conversation and returns the whole answer. `conversations::post` calls `mutate`, also for the streamed answer.

use levqor_proto_support::v1::{PostMessageRequest, PostMessageResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Support,
    conversations::{self, Posted},
    domain::text::ChatText,
    error::Error,
};

pub(super) async fn post_message(
    support: &Support,
    ctx: Ctx,
    request: PostMessageRequest,
) -> Result<PostMessageResponse, Error> {
    let posted = posted(&ctx, &request.conversation_id, &request.conversation_token, &request.text)?;
    conversations::post(support, &ctx, &request, &posted).await
}

/// Reads a message to a conversation.
pub(super) fn posted(ctx: &Ctx, conversation_id: &str, token: &str, text: &str) -> Result<Posted, Invalid> {
    let mut violations = Violations::new();
    let id = violations.field("conversation_id", conversation_id);
    let text = violations.field::<ChatText>("text", text);
    let posted = id.zip(text).map(|(id, text)| Posted {
        id,
        claim: conversations::claim_of_customer(ctx, token),
        text: text.as_str().to_owned(),
        listener: None,
    });
    violations.finish(posted)
}
