//! Merges one ticket into another one of the same customer, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{MergeTicketRequest, MergeTicketResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::ticket::TicketId,
    error::Error,
    metrics::Step,
    operators,
    store::{self, ticket_messages},
    tickets,
};

pub(super) async fn merge_ticket(
    support: &Support,
    ctx: Ctx,
    request: MergeTicketRequest,
) -> Result<MergeTicketResponse, Error> {
    let Command { ticket_id, into } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        // In the order of their ids, so that two merges cannot wait for each other.
        let (first, second) = if ticket_id < into { (ticket_id, into) } else { (into, ticket_id) };
        let first = tickets::lock(tx, &ctx, first).await?;
        let second = tickets::lock(tx, &ctx, second).await?;
        let (mut ticket, other) = if first.id == ticket_id { (first, second) } else { (second, first) };
        ticket.merge_into(&other, tx.now().await?, &support.hours)?;
        ticket_messages::move_all(tx, ticket.id, other.id).await?;
        store::tickets::update(tx, &ticket).await?;
        operators::attended(tx, &ticket).await?;
        support.count(tx, Step::Closed);
        let shown = other.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = MergeTicketResponse { ticket: Some(shown) };
        let ids: [(&str, &dyn std::fmt::Display); 2] = [("ticket_id", &ticket_id), ("into_ticket_id", &into)];
        Ok(Done::audited(response, "ticket.merge", &ids))
    })
    .await
}

struct Command {
    ticket_id: TicketId,
    into: TicketId,
}

impl TryFrom<&MergeTicketRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &MergeTicketRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let ticket_id = violations.field("ticket_id", &request.ticket_id);
        let into = violations.field("into_ticket_id", &request.into_ticket_id);
        violations.finish(ticket_id.zip(into).map(|(ticket_id, into)| Self { ticket_id, into }))
    }
}
