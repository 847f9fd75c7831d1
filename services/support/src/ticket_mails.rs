//! The mails to the customer about a ticket. Each is deferred in the transaction of its step. A visitor without an address gets none:
//! the conversation shows the replies.

use levqor_proto_mail::v1::{
    SendMessageRequest, ServiceComplaintAcknowledged, TicketOpened, TicketReplied, TicketSolved,
    send_message_request::Content,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    site::SiteUrl,
    timestamp,
};

use crate::{
    config::Config,
    domain::{
        complaint::Complaint,
        ticket::{MessageId, Ticket},
    },
};

/// The confirmation that a ticket was opened.
pub(crate) async fn opened(tx: &mut Tx, config: &Config, ticket: &Ticket) -> Result<(), DbError> {
    let content = Content::TicketOpened(TicketOpened {
        customer_name: ticket.customer.name.clone(),
        ticket_id: ticket.number.to_string(),
        reply_time: Some(timestamp(ticket.first_reply_due_time)),
        ticket_link: link(&config.site, ticket),
    });
    send(tx, config, ticket, format!("ticket:{}", ticket.id), content).await
}

/// The acknowledgement of a complaint.
pub(crate) async fn complaint_acknowledged(
    tx: &mut Tx,
    config: &Config,
    ticket: &Ticket,
    complaint: &Complaint,
) -> Result<(), DbError> {
    let content = Content::ServiceComplaintAcknowledged(ServiceComplaintAcknowledged {
        customer_name: ticket.customer.name.clone(),
        complaint_id: complaint.number.to_string(),
        answer_time: Some(timestamp(complaint.answer_due_time)),
    });
    send(tx, config, ticket, format!("complaint:{}", complaint.id), content).await
}

/// A reply of staff.
pub(crate) async fn replied(
    tx: &mut Tx,
    config: &Config,
    ticket: &Ticket,
    message_id: MessageId,
    reply: &str,
) -> Result<(), DbError> {
    let content = Content::TicketReplied(TicketReplied {
        customer_name: ticket.customer.name.clone(),
        ticket_id: ticket.number.to_string(),
        reply: reply.to_owned(),
        ticket_link: link(&config.site, ticket),
    });
    send(tx, config, ticket, format!("ticket:{}:reply:{message_id}", ticket.id), content).await
}

/// The news that staff solved the ticket, with the link of the survey. A ticket can be solved again, so each time counts.
pub(crate) async fn solved(
    tx: &mut Tx,
    config: &Config,
    ticket: &Ticket,
    survey_link: Option<String>,
) -> Result<(), DbError> {
    let content = Content::TicketSolved(TicketSolved {
        customer_name: ticket.customer.name.clone(),
        ticket_id: ticket.number.to_string(),
        ticket_link: link(&config.site, ticket),
        survey_link,
    });
    let instant = ticket.update_time.timestamp_micros();
    send(tx, config, ticket, format!("ticket:{}:solved:{instant}", ticket.id), content).await
}

/// Where the customer reads the ticket. A customer without an account cannot.
fn link(site: &SiteUrl, ticket: &Ticket) -> Option<String> {
    ticket.customer.sub.as_ref().map(|_| format!("{site}/tickets/{}", ticket.id))
}

async fn send(
    tx: &mut Tx,
    config: &Config,
    ticket: &Ticket,
    about: String,
    content: Content,
) -> Result<(), DbError> {
    let Some(recipient) = &ticket.customer.email else { return Ok(()) };
    let key = format!("mail:{about}");
    let message = SendMessageRequest {
        recipient: recipient.as_str().to_owned(),
        about,
        locale: tx.locale().to_owned(),
        content: Some(content),
        // A reply is added to the ticket, if inbound mail is on.
        reply_to: config.inbound.as_ref().map(|domain| ticket.mail_token.address(domain)).unwrap_or_default(),
        ..SendMessageRequest::default()
    };
    defer(tx, &message, key).await
}
