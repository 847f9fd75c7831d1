//! Marks one ticket as spam and closes it, for staff; recorded in the audit chain. Nobody gets a mail.

use levqor_proto_support::v1::{MarkTicketSpamRequest, MarkTicketSpamResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{ticket::TicketId, ticket_state::Action},
    error::Error,
    tickets,
};

pub(super) async fn mark_ticket_spam(
    support: &Support,
    ctx: Ctx,
    request: MarkTicketSpamRequest,
) -> Result<MarkTicketSpamResponse, Error> {
    let ticket_id: TicketId = id("ticket_id", &request.ticket_id)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        ticket.spam = true;
        tickets::step(support, tx, &mut ticket, Action::Close, true).await?;
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = MarkTicketSpamResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.mark.spam", &[("ticket_id", &ticket_id)]))
    })
    .await
}
