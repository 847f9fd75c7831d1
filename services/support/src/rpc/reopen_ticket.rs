//! Reopens one ticket that is solved, pending or on hold. Customers do it only for their own.

use levqor_proto_support::v1::{ReopenTicketRequest, ReopenTicketResponse};
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

pub(super) async fn reopen_ticket(
    support: &Support,
    ctx: Ctx,
    request: ReopenTicketRequest,
) -> Result<ReopenTicketResponse, Error> {
    let ticket_id: TicketId = id("ticket_id", &request.ticket_id)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        tickets::step(support, tx, &mut ticket, Action::Reopen, false).await?;
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = ReopenTicketResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.reopen", &[("ticket_id", &ticket_id)]))
    })
    .await
}
