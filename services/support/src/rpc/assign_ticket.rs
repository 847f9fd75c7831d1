//! Assigns one ticket to a member of staff, or removes the assignment, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{AssignTicketRequest, AssignTicketResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{text::Assignee, ticket::TicketId},
    error::Error,
    store, tickets,
};

pub(super) async fn assign_ticket(
    support: &Support,
    ctx: Ctx,
    request: AssignTicketRequest,
) -> Result<AssignTicketResponse, Error> {
    let Command { ticket_id, assignee } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        ticket.assignee = assignee.map(|assignee| assignee.as_str().to_owned());
        ticket.update_time = tx.now().await?;
        store::tickets::update(tx, &ticket).await?;
        let shown = ticket.seen_by(&ctx.scope(), ticket.update_time, &support.hours);
        let response = AssignTicketResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.assign", &[("ticket_id", &ticket_id)]))
    })
    .await
}

struct Command {
    ticket_id: TicketId,
    assignee: Option<Assignee>,
}

impl TryFrom<&AssignTicketRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AssignTicketRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let ticket_id = violations.field("ticket_id", &request.ticket_id);
        let assignee = violations.filter("assignee", &request.assignee);
        violations.finish(ticket_id.map(|ticket_id| Self { ticket_id, assignee }))
    }
}
