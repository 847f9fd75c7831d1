//! Replies to one ticket: staff, or the customer whose ticket it is. The conversation of the ticket shows what staff reply.

use levqor_proto_support::v1::{ReplyTicketRequest, ReplyTicketResponse};
use levqor_runtime::{
    context::Ctx,
    db::Tx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
    screening::Screened,
};

use crate::{
    Support, conversations,
    domain::{
        canned_reply::CannedReplyId,
        conversation::ConversationId,
        text::TicketText,
        ticket::{Ticket, TicketId},
        turn::{Outcome, Turn},
    },
    error::Error,
    operators, screening,
    store::{self, canned_replies, conversations::Claim},
    tickets,
};

pub(super) async fn reply_ticket(
    support: &Support,
    ctx: Ctx,
    request: ReplyTicketRequest,
) -> Result<ReplyTicketResponse, Error> {
    let Reply { ticket_id, text, canned } = Reply::try_from(&request)?;
    let screened = match (tickets::staff(&ctx), &text) {
        (None, Some(text)) => screening::check(support, &ctx, "ticket", text.as_str()).await?,
        (Some(_), _) | (None, None) => Screened::Clear,
    };
    mutate(support, &ctx, &request, async |tx| {
        // A message of the conversation locks the conversation first, and then the ticket.
        let seen = store::tickets::get(tx, &ctx.scope(), ticket_id).await?.ok_or(Error::TicketNotFound)?;
        let conversation_id = seen.conversation_id;
        let staff = tickets::staff(&ctx);
        let text = match canned {
            // Only staff know canned replies.
            Some(id) if staff.is_some() => with_canned(tx, id, &seen, text.as_ref()).await?,
            Some(_) => return Err(Error::CannedReplyNotFound),
            None => text.ok_or(Error::CannedReplyNotFound)?,
        };
        if let (Some(conversation_id), true) = (conversation_id, staff.is_some()) {
            show(support, tx, conversation_id, &seen, text.as_str()).await?;
        }
        let mut ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        if let Some(author) = staff {
            tickets::staff_replied(support, tx, &mut ticket, author, text.as_str()).await?;
        } else {
            tickets::customer_replied(support, tx, &mut ticket, text.as_str()).await?;
            operators::screened(tx, &screened, &format!("ticket:{ticket_id}")).await?;
        }
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = ReplyTicketResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.reply", &[("ticket_id", &ticket_id)]))
    })
    .await
}

/// The text of a canned reply for this ticket, with the text that was written after it.
async fn with_canned(
    tx: &mut Tx,
    id: CannedReplyId,
    ticket: &Ticket,
    text: Option<&TicketText>,
) -> Result<TicketText, Error> {
    let canned = canned_replies::get(tx, id).await?.ok_or(Error::CannedReplyNotFound)?;
    let mut whole = canned.fill(ticket).ok_or(Error::CannedReplyNotFound)?;
    if let Some(text) = text {
        whole = format!("{whole}\n\n{}", text.as_str());
    }
    let too_long =
        |_| Invalid::of("text", "expected at most 5,000 characters together with the canned reply");
    Ok(whole.parse().map_err(too_long)?)
}

/// Shows a reply of staff in the conversation, unless an account owns the ticket that does not own the conversation: then a visitor, who
/// typed the account's address, would read it. The owner gets it by mail.
async fn show(
    support: &Support,
    tx: &mut Tx,
    id: ConversationId,
    ticket: &Ticket,
    text: &str,
) -> Result<(), Error> {
    let claim = Claim { all: true, sub: None, token_hash: None };
    let Some(mut conversation) = store::conversations::lock(tx, &claim, id).await? else { return Ok(()) };
    if ticket.customer.sub.is_some() && conversation.customer.sub != ticket.customer.sub {
        return Ok(());
    }
    conversation.turn_count += 1;
    let turn = Turn::silent(conversation.turn_count, Outcome::Replied, text.to_owned(), tx.now().await?);
    conversations::save(support, tx, &mut conversation, &turn).await?;
    store::conversations::update(tx, &conversation).await?;
    Ok(())
}

/// The ticket, and the reply.
pub(super) struct Command {
    pub(super) ticket_id: TicketId,
    pub(super) text: TicketText,
}

/// Reads the ticket and the reply.
pub(super) fn command(ticket_id: &str, text: &str) -> Result<Command, Invalid> {
    let mut violations = Violations::new();
    let ticket_id = violations.field("ticket_id", ticket_id);
    let text = violations.field("text", text);
    violations.finish(ticket_id.zip(text).map(|(ticket_id, text)| Command { ticket_id, text }))
}

/// A reply: a text, a canned reply, or both.
struct Reply {
    ticket_id: TicketId,
    text: Option<TicketText>,
    canned: Option<CannedReplyId>,
}

impl TryFrom<&ReplyTicketRequest> for Reply {
    type Error = Invalid;

    fn try_from(request: &ReplyTicketRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let ticket_id = violations.field("ticket_id", &request.ticket_id);
        let canned = violations.filter("canned_reply_id", &request.canned_reply_id);
        let text = if request.canned_reply_id.is_empty() {
            violations.field("text", &request.text)
        } else {
            violations.filter("text", &request.text)
        };
        violations.finish(ticket_id.map(|ticket_id| Self { ticket_id, text, canned }))
    }
}
