//! Creates a ticket of the signed-in customer.

use levqor_proto_support::v1::{CreateTicketRequest, CreateTicketResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        text::{Name, Subject, TicketText},
        ticket::{Origin, Party},
    },
    error::Error,
    operators, plans, screening,
    tickets::{self, NewTicket},
};

pub(super) async fn create_ticket(
    support: &Support,
    ctx: Ctx,
    request: CreateTicketRequest,
) -> Result<CreateTicketResponse, Error> {
    let Command { subject, text, name } = Command::try_from(&request)?;
    let customer = tickets::customer(&ctx, name.as_str());
    if customer.email.is_none() {
        return Err(Error::EmailNotVerified);
    }
    let whole = format!("{}\n{}", subject.as_str(), text.as_str());
    let screened = screening::check(support, &ctx, "ticket", &whole).await?;
    let plan = plans::of_caller(&support.chassis, &ctx).await;
    mutate(support, &ctx, &request, async |tx| {
        let new = NewTicket {
            customer,
            subject: subject.as_str(),
            plan,
            origin: Origin::Customer,
            hand_off_reason: None,
            conversation_id: None,
            assignee: None,
        };
        let ticket = tickets::open(support, tx, new).await?;
        tickets::add_message(tx, &ticket, Party::Customer, false, None, text.as_str()).await?;
        operators::screened(tx, &screened, &format!("ticket:{}", ticket.id)).await?;
        let shown = ticket.seen_by(&ctx.scope(), tx.now().await?, &support.hours);
        let response = CreateTicketResponse { ticket: Some(shown) };
        Ok(Done::audited(response, "ticket.create", &[("ticket_id", &ticket.id)]))
    })
    .await
}

struct Command {
    subject: Subject,
    text: TicketText,
    name: Name,
}

impl TryFrom<&CreateTicketRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateTicketRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let subject = violations.field("subject", &request.subject);
        let text = violations.field("text", &request.text);
        let name = violations.field("customer_name", &request.customer_name);
        let command = subject.zip(text).zip(name);
        violations.finish(command.map(|((subject, text), name)| Self { subject, text, name }))
    }
}
