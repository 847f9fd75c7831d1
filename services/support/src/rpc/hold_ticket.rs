//! Puts one ticket on hold, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{HoldTicketRequest, HoldTicketResponse};
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

pub(super) async fn hold_ticket(
    support: &Support,
    ctx: Ctx,
    request: HoldTicketRequest,
) -> Result<HoldTicketResponse, Error> {
    let ticket_id: TicketId = id("ticket_id", &request.ticket_id)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        tickets::step(support, tx, &mut ticket, Action::Hold, true).await?;
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = HoldTicketResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.hold", &[("ticket_id", &ticket_id)]))
    })
    .await
}
