//! Solves one ticket. Customers do it only for their own; if staff do it, the customer gets a mail.

use levqor_proto_support::v1::{SolveTicketRequest, SolveTicketResponse};
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

pub(super) async fn solve_ticket(
    support: &Support,
    ctx: Ctx,
    request: SolveTicketRequest,
) -> Result<SolveTicketResponse, Error> {
    let ticket_id: TicketId = id("ticket_id", &request.ticket_id)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        let by_staff = tickets::staff(&ctx).is_some();
        tickets::step(support, tx, &mut ticket, Action::Solve, by_staff).await?;
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = SolveTicketResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.solve", &[("ticket_id", &ticket_id)]))
    })
    .await
}
