//! Adds a note to one ticket, for staff; recorded in the audit chain. Customers never see it, and it changes no state.

use levqor_proto_support::v1::{AddTicketNoteRequest, AddTicketNoteResponse};
use levqor_runtime::{
    context::Ctx,
    rpc::{Done, mutate},
};

use super::reply_ticket::{Command, command};
use crate::{Support, domain::ticket::Party, error::Error, tickets};

pub(super) async fn add_ticket_note(
    support: &Support,
    ctx: Ctx,
    request: AddTicketNoteRequest,
) -> Result<AddTicketNoteResponse, Error> {
    let Command { ticket_id, text } = command(&request.ticket_id, &request.text)?;
    mutate(support, &ctx, &request, async |tx| {
        let ticket = tickets::lock(tx, &ctx, ticket_id).await?;
        let author = tickets::staff(&ctx);
        tickets::add_message(tx, &ticket, Party::Staff, true, author, text.as_str()).await?;
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = AddTicketNoteResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.note", &[("ticket_id", &ticket_id)]))
    })
    .await
}
