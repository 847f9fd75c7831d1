//! Answers one complaint with its result, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{AnswerComplaintRequest, AnswerComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{complaint::ComplaintId, text::TicketText, ticket::Party, ticket_state::State},
    error::Error,
    operators,
    store::complaints,
    ticket_mails, tickets,
};

pub(super) async fn answer_complaint(
    support: &Support,
    ctx: Ctx,
    request: AnswerComplaintRequest,
) -> Result<AnswerComplaintResponse, Error> {
    let Command { complaint_id, text } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut complaint = complaints::lock(tx, complaint_id).await?.ok_or(Error::ComplaintNotFound)?;
        let now = tx.now().await?;
        complaint.answer(now)?;
        let mut ticket = tickets::lock(tx, &ctx, complaint.ticket_id).await?;
        while let Some(other) = ticket.merged_into {
            ticket = tickets::lock(tx, &ctx, other).await?;
        }
        let author = tickets::staff(&ctx).unwrap_or_default();
        if ticket.state == State::Closed {
            // The result is still due.
            let text = text.as_str();
            let id = tickets::add_message(tx, &ticket, Party::Staff, false, Some(author), text).await?;
            ticket_mails::replied(tx, &support.config, &ticket, id, text).await?;
        } else {
            tickets::staff_replied(support, tx, &mut ticket, author, text.as_str()).await?;
        }
        complaints::put_answer(tx, complaint_id, now).await?;
        operators::complaint_answered(tx, complaint_id).await?;
        let response = AnswerComplaintResponse { complaint: Some(complaint.into()) };
        Ok(Done::audited(response, "complaint.answer", &[("complaint_id", &complaint_id)]))
    })
    .await
}

struct Command {
    complaint_id: ComplaintId,
    text: TicketText,
}

impl TryFrom<&AnswerComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AnswerComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let complaint_id = violations.field("complaint_id", &request.complaint_id);
        let text = violations.field("text", &request.text);
        violations.finish(complaint_id.zip(text).map(|(complaint_id, text)| Self { complaint_id, text }))
    }
}
