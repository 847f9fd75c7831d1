//! Creates a conversation, and answers its first message.

use std::time::Instant;

use levqor_proto_support::v1::{CreateConversationRequest, CreateConversationResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
    screening::Screened,
};

use crate::{
    Support,
    conversations::{self, Asked, Known},
    domain::{
        conversation::Conversation,
        reply,
        secret_token::SecretToken,
        text::{ChatText, Name},
    },
    error::Error,
    operators, randomness, screening, store, tickets,
};

pub(super) async fn create_conversation(
    support: &Support,
    ctx: Ctx,
    request: CreateConversationRequest,
) -> Result<CreateConversationResponse, Error> {
    let begin = Instant::now();
    let Command { text, name, email } = Command::try_from(&request)?;
    let screened = match &text {
        Some(text) => screening::check_message(support, &ctx, text.as_str()).await?,
        None => Screened::Clear,
    };
    let mut known = Known::ask(support, &ctx).await?;
    let mut customer = tickets::customer(&ctx, name.as_str());
    customer.email = customer.email.or(email);
    if let Some(text) = &text {
        let question = text.as_str().to_owned();
        let customer = customer.clone();
        let asked = Asked { begin, question, customer, earlier: Vec::new(), listener: None };
        known.look_up(support, &ctx, &asked).await?;
    }
    mutate(support, &ctx, &request, async |tx| {
        let token = if customer.sub.is_none() { Some(randomness::token()?) } else { None };
        let hash = token.as_ref().map(SecretToken::hash);
        let mut conversation = Conversation::begin(customer, tx.now().await?);
        store::conversations::insert(tx, &conversation, hash.as_deref()).await?;
        let turn = match &text {
            Some(text) => {
                let turn = conversations::take(support, tx, &mut conversation, text.as_str(), &known).await?;
                store::conversations::update(tx, &conversation).await?;
                operators::screened(tx, &screened, &format!("conversation:{}", conversation.id)).await?;
                Some(turn)
            }
            None => None,
        };
        let response = CreateConversationResponse {
            conversation: Some((&conversation).into()),
            conversation_token: token.map(|token| token.to_text()).unwrap_or_default(),
            notice: reply::notice(support.model.is_some()),
            turn: turn.map(|turn| turn.to_wire(&support.config.site)),
        };
        Ok(Done::unaudited(response, "conversations keep all that was said"))
    })
    .await
}

/// The first message, and who writes it.
struct Command {
    text: Option<ChatText>,
    name: Name,
    email: Option<Email>,
}

impl TryFrom<&CreateConversationRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateConversationRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let text = violations.filter("text", &request.text);
        let name = violations.field("customer_name", &request.customer_name);
        let email = violations.filter("customer_email", &request.customer_email);
        violations.finish(name.map(|name| Self { text, name, email }))
    }
}
