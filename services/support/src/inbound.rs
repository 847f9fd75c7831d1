//! A mail that came to the address of a ticket: it becomes a message, for the customer or for staff only, in one transaction.
//!
//! Nothing here answers a mail. A reply of a member of staff, and the confirmation of a new ticket, go to the customer's address, never
//! to the sender of a mail.

use chrono::TimeDelta;
use levqor_proto_support::v1::FetchTicketFileRequest;
use levqor_runtime::{
    context::Scope,
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    screening::Screened,
};

use crate::{
    Support,
    domain::{
        inbound::{Envelope, MOST_PER_HOUR, Verdict, judge},
        mail_token::MailToken,
        text::Subject,
        ticket::{Message, MessageId, Origin, Party, Ticket},
        ticket_file::{self, FileId, InboundMailId},
        ticket_state::State,
    },
    error::Error,
    operators,
    store::{inbound_mails, ticket_files, ticket_messages, tickets as store},
    tickets::{self, NewTicket},
};

/// A received mail.
pub(crate) struct Mail {
    pub(crate) id: InboundMailId,
    pub(crate) from: Option<Email>,
    pub(crate) recipients: Vec<Email>,
    pub(crate) subject: String,
    pub(crate) text: String,
    /// Whether the end of the text is missing.
    pub(crate) text_is_cut: bool,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
    /// Id, name and announced size of each file.
    pub(crate) files: Vec<(String, String, i64)>,
}

/// The text of the message of a mail without a text.
const NO_TEXT: &str = "(This mail has no text that can be read.)";
/// The most characters of a mail that a message keeps.
const LONGEST: usize = 10_000;
/// What ends a message that was longer.
const CUT: &str = "\n\n(The mail was longer. This is its beginning.)";

/// What ends a message that did not come whole.
const NO_END: &str = "\n\n(The end of this mail is missing.)";

/// The note of staff after a mail with a text that would be refused elsewhere.
const NOT_ACCEPTED: &str = "(The mail before this note has high-risk data that we do not accept, such as health data or card numbers. \
                            It was kept, because a mail is never refused.)";

/// Ingests a mail that was not ingested before. `text` is its new part, and `screened` the result of the screen for high-risk data.
/// Returns the outcome of the mail.
pub(crate) async fn ingest(
    support: &Support,
    tx: &mut Tx,
    mail: &Mail,
    text: &str,
    screened: &Screened,
) -> Result<Verdict, Error> {
    let now = tx.now().await?;
    let Some(mut ticket) = ticket_of(support, tx, mail).await? else {
        inbound_mails::insert(tx, mail.id, Verdict::NoTicket, None, now).await?;
        operators::mail_without_ticket(tx, mail.id).await?;
        return Ok(Verdict::NoTicket);
    };
    // The lock of the ticket makes the count exact.
    let recent = inbound_mails::count_since(tx, ticket.id, now - TimeDelta::hours(1)).await?;
    let envelope = Envelope { from: mail.from.as_ref(), subject: &mail.subject, headers: &mail.headers };
    let is_own = |address: &Email| is_own(support, address);
    // An account that typed this address without a proof sees the ticket: the words of the address's owner are not for that account.
    let is_theirs = ticket.customer.verified || ticket.customer.sub.is_none();
    let customer = ticket.customer.email.as_ref().filter(|_| is_theirs);
    let verdict = judge(&envelope, customer, &support.automatic_mail, is_own, recent);
    if !inbound_mails::insert(tx, mail.id, verdict, Some(ticket.id), now).await? {
        return Ok(verdict);
    }
    let text = if text.is_empty() { NO_TEXT } else { text };
    let message_id = match verdict {
        Verdict::Accepted => accept(support, tx, &mut ticket, text).await?,
        Verdict::Stranger => {
            let message_id = keep(tx, &ticket, mail, text, false).await?;
            operators::written_by_other(tx, &ticket, message_id).await?;
            message_id
        }
        Verdict::TooMany => {
            if recent == MOST_PER_HOUR {
                operators::too_many_mails(tx, &ticket, mail.id).await?;
            }
            keep(tx, &ticket, mail, text, true).await?
        }
        Verdict::Automatic | Verdict::Loop | Verdict::NoTicket => keep(tx, &ticket, mail, text, true).await?,
    };
    announce_files(support, tx, mail, message_id).await?;
    warn(tx, &ticket, screened).await?;
    Ok(verdict)
}

/// The ticket that a mail came to, locked. A ticket that was merged leads to the other one.
async fn ticket_of(support: &Support, tx: &mut Tx, mail: &Mail) -> Result<Option<Ticket>, Error> {
    let Some(domain) = &support.config.inbound else { return Ok(None) };
    let tokens = mail.recipients.iter().filter_map(|address| MailToken::of_address(address, domain));
    for token in tokens {
        let Some(id) = store::id_of_mail_token(tx, &token).await? else { continue };
        let mut ticket = store::lock(tx, &Scope::All, id).await?;
        while let Some(other) = ticket.as_ref().and_then(|ticket| ticket.merged_into) {
            ticket = store::lock(tx, &Scope::All, other).await?;
        }
        return Ok(ticket);
    }
    Ok(None)
}

/// Whether an address is one that our own mails come from.
fn is_own(support: &Support, address: &Email) -> bool {
    let config = &support.config;
    let is_inbound = config.inbound.as_ref().is_some_and(|domain| domain.local_part(address).is_some());
    is_inbound || [&config.support_email, &config.privacy_email].contains(&address)
}

/// The new part of the mail's text, not longer than a message may be. Empty if there is none.
pub(crate) fn new_part(support: &Support, mail: &Mail) -> String {
    let text = support.quote_rules.new_part(&mail.text);
    if text.is_empty() {
        return text;
    }
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}{CUT}", &text[..at]),
        None if mail.text_is_cut => format!("{text}{NO_END}"),
        None => text,
    }
}

/// A reply of the customer. Where the ticket is closed for good, the reply opens a new one, which takes its place.
async fn accept(support: &Support, tx: &mut Tx, ticket: &mut Ticket, text: &str) -> Result<MessageId, Error> {
    if ticket.state != State::Closed {
        return tickets::customer_replied(support, tx, ticket, text).await;
    }
    let subject = Subject::of_text(&ticket.subject);
    let new = NewTicket {
        customer: ticket.customer.clone(),
        subject: subject.as_str(),
        plan: ticket.plan,
        origin: Origin::Mail,
        hand_off_reason: None,
        conversation_id: None,
        assignee: None,
    };
    *ticket = tickets::open(support, tx, new).await?;
    Ok(tickets::add_message(tx, ticket, Party::Customer, false, None, text).await?)
}

/// Warns staff and operators of a mail with high-risk data, and operators of one that was not screened.
async fn warn(tx: &mut Tx, ticket: &Ticket, screened: &Screened) -> Result<(), DbError> {
    if matches!(screened, Screened::Blocked(_)) {
        tickets::add_message(tx, ticket, Party::Staff, true, None, NOT_ACCEPTED).await?;
    }
    operators::screened(tx, screened, &format!("ticket:{}", ticket.id)).await
}

/// Keeps a mail for staff. The ticket does not change.
async fn keep(
    tx: &mut Tx,
    ticket: &Ticket,
    mail: &Mail,
    text: &str,
    not_read_as_reply: bool,
) -> Result<MessageId, DbError> {
    let now = tx.now().await?;
    let is_customers = mail.from.is_some() && mail.from == ticket.customer.email && not_read_as_reply;
    let sender = mail.from.as_ref().filter(|_| !is_customers).map(|from| from.as_str().to_owned());
    let message = Message {
        id: MessageId::new_at(now),
        party: if is_customers { Party::Customer } else { Party::Other },
        internal: true,
        sender_address: sender,
        not_read_as_reply,
        body: text.to_owned(),
        create_time: now,
    };
    ticket_messages::insert(tx, ticket.id, &message, None).await?;
    Ok(message.id)
}

/// Stores the names of the files, and defers the calls that fetch them.
async fn announce_files(
    support: &Support,
    tx: &mut Tx,
    mail: &Mail,
    message_id: MessageId,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    let files = mail.files.iter().map(|(id, name, size)| (id.as_str(), name.as_str(), *size));
    for file in ticket_file::announced(files, support.storage.is_some()) {
        let id = FileId::new_at(now);
        ticket_files::insert(tx, id, message_id, mail.id, &file, now).await?;
        if file.state == ticket_file::FileState::Pending {
            let fetch = FetchTicketFileRequest { file_id: id.to_string() };
            defer(tx, &fetch, format!("ticket-file:{id}")).await?;
        }
    }
    Ok(())
}
