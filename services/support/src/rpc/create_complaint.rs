//! Creates a complaint: a ticket with its own deadlines, acknowledged by mail at once. Anybody can type an address, so one that
//! its owner did not prove is mailed three times a day at most; the answer still has the number and the time of the result. A
//! complaint about the use of personal data is handed to compliance, in the same transaction, and is not a ticket.

use levqor_proto_law::v1::IngestPrivacyComplaintRequest;
use levqor_proto_support::v1::{CreateComplaintRequest, CreateComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
    timestamp,
};

use crate::{
    Support,
    domain::{
        complaint::{Complaint, ComplaintCategory, ComplaintId, ComplaintNumber},
        plan::Plan,
        text::{Name, Subject, TicketText},
        ticket::{Customer, Origin, Party},
    },
    error::Error,
    forms::{self, Form},
    operators, plans,
    store::complaints,
    ticket_mails,
    tickets::{self, NewTicket},
};

pub(super) async fn create_complaint(
    support: &Support,
    ctx: Ctx,
    request: CreateComplaintRequest,
) -> Result<CreateComplaintResponse, Error> {
    let command = Command::try_from(&request)?;
    let mut customer = tickets::customer(&ctx, command.name.as_str());
    customer.email = customer.email.or(command.email.clone());
    if customer.email.is_none() {
        return Err(Invalid::of("email", "expected a mail address: the answer goes there").into());
    }
    let plan = plans::of_caller(&support.chassis, &ctx).await;
    mutate(support, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let checked = if forms::is_signed_in(&ctx) && request.website.is_empty() {
            Form::Genuine
        } else {
            forms::check(support, &request.form_token, &request.website, now)?
        };
        let unaudited = "anybody may call this, and the row is the evidence";
        if checked == Form::Trap {
            return Ok(Done::unaudited(CreateComplaintResponse::default(), unaudited));
        }
        if command.category == ComplaintCategory::PersonalData {
            let number = hand_over(tx, &command, &customer).await?.to_string();
            let response = CreateComplaintResponse { number, answer_due_time: None };
            return Ok(Done::unaudited(response, unaudited));
        }
        let complaint = open(support, tx, &command, customer, plan).await?;
        let response = CreateComplaintResponse {
            number: complaint.number.to_string(),
            answer_due_time: Some(timestamp(complaint.answer_due_time)),
        };
        Ok(Done::unaudited(response, unaudited))
    })
    .await
}

async fn open(
    support: &Support,
    tx: &mut Tx,
    command: &Command,
    customer: Customer,
    plan: Plan,
) -> Result<Complaint, Error> {
    let now = tx.now().await?;
    let new = NewTicket {
        customer,
        subject: command.subject.as_str(),
        plan,
        origin: Origin::Complaint,
        hand_off_reason: None,
        conversation_id: None,
        assignee: None,
    };
    let ticket = tickets::open(support, tx, new).await?;
    tickets::add_message(tx, &ticket, Party::Customer, false, None, command.text.as_str()).await?;
    let (acknowledge_due_time, answer_due_time) = Complaint::due_times(now, &support.hours);
    let is_mailed = tickets::may_confirm(tx, &ticket).await?;
    let mut complaint = Complaint {
        id: ComplaintId::new_at(now),
        number: ComplaintNumber(0),
        ticket_id: ticket.id,
        category: command.category,
        acknowledge_due_time,
        // The mail is deferred in this transaction.
        acknowledge_time: is_mailed.then_some(now),
        answer_due_time,
        answer_time: None,
        create_time: now,
    };
    complaint.number = complaints::insert(tx, &complaint).await?;
    if is_mailed {
        ticket_mails::complaint_acknowledged(tx, &support.config, &ticket, &complaint).await?;
    }
    operators::complaint(tx, &complaint).await?;
    Ok(complaint)
}

/// Hands a complaint about the use of personal data to compliance. Returns the id by which compliance knows it, too.
async fn hand_over(tx: &mut Tx, command: &Command, customer: &Customer) -> Result<ComplaintId, DbError> {
    let now = tx.now().await?;
    let id = ComplaintId::new_at(now);
    let complaint = IngestPrivacyComplaintRequest {
        complaint_id: id.to_string(),
        owner_sub: customer.sub.clone().unwrap_or_default(),
        email: customer.email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default(),
        name: customer.name.clone(),
        subject: command.subject.as_str().to_owned(),
        text: command.text.as_str().to_owned(),
        receive_time: Some(timestamp(now)),
    };
    defer(tx, &complaint, format!("privacy-complaint:{id}")).await?;
    Ok(id)
}

struct Command {
    subject: Subject,
    text: TicketText,
    name: Name,
    email: Option<Email>,
    category: ComplaintCategory,
}

impl TryFrom<&CreateComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let subject = violations.field("subject", &request.subject);
        let text = violations.field("description", &request.description);
        let name = violations.field("name", &request.name);
        let email = violations.filter("email", &request.email);
        let category = violations.filter_enum("category", request.category);
        let command = || {
            Some(Self {
                subject: subject?,
                text: text?,
                name: name?,
                email,
                category: category.unwrap_or(ComplaintCategory::Other),
            })
        };
        violations.finish(command())
    }
}
