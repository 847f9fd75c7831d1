//! Gets one ticket with its messages. Customers get `NOT_FOUND` for the ticket of another person, and see no notes.

use levqor_proto_support::v1::{self as wire, GetTicketRequest, GetTicketResponse};
use levqor_runtime::{context::Ctx, db, request::id};

use crate::{
    Support,
    domain::ticket::{Message, TicketId},
    error::Error,
    store::{surveys, ticket_files, ticket_messages, tickets},
};

/// The most messages of an answer.
const MOST_MESSAGES: i64 = 500;

pub(super) async fn get_ticket(
    support: &Support,
    ctx: Ctx,
    request: GetTicketRequest,
) -> Result<GetTicketResponse, Error> {
    let ticket_id: TicketId = id("ticket_id", &request.ticket_id)?;
    let scope = ctx.scope();
    let mut conn = support.chassis.db.acquire().await?;
    let ticket = tickets::get(&mut conn, &scope, ticket_id).await?.ok_or(Error::TicketNotFound)?;
    let messages = ticket_messages::last(&mut conn, ticket_id, scope.is_all(), MOST_MESSAGES).await?;
    let mut files = ticket_files::of_ticket(&mut conn, ticket_id).await?;
    let survey = if scope.is_all() { surveys::of_ticket(&mut conn, ticket_id).await? } else { None };
    let now = db::now(&mut conn).await?;
    let with_files = |message: Message| {
        let id = message.id;
        let mut shown = wire::TicketMessage::from(message);
        shown.files = files.extract_if(.., |(of, _)| *of == id).map(|(_, file)| file.into()).collect();
        shown
    };
    Ok(GetTicketResponse {
        ticket: Some(ticket.seen_by(&scope, now, &support.hours)),
        messages: messages.into_iter().map(with_files).collect(),
        survey: survey.map(Into::into),
    })
}
