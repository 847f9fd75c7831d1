//! Support's notices to operators: each is deferred in the transaction of its fact. A notice holds no names.

use levqor_proto_mail::v1::{
    EndOperatorNoticeRequest, NotifyOperatorsRequest, OperatorNoticeKind, OperatorNoticeSeverity,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    digest::{Period, Report},
    screening::{Screened, Warning},
    service::Service,
    timestamp,
};
use sqlx::PgConnection;

use crate::{
    Support,
    domain::{
        complaint::{Complaint, ComplaintId},
        inbound::MOST_PER_HOUR,
        incident::IncidentId,
        lead::{Lead, LeadKind},
        model_call::ModelOutcome,
        ticket::{MessageId, Ticket},
        ticket_file::InboundMailId,
    },
    store::{surveys, tickets},
};

/// Tells that a ticket was opened.
pub(crate) async fn opened(tx: &mut Tx, ticket: &Ticket) -> Result<(), DbError> {
    let why = ticket.hand_off_reason.map(|reason| format!(" ({})", reason.in_words())).unwrap_or_default();
    let text = format!(
        "Ticket {} was opened{why}. Plan: {}. The first reply is due by {}.",
        ticket.number,
        ticket.plan.title(),
        ticket.first_reply_due_time.format("%d %B %Y, %H:%M UTC")
    );
    let notice =
        notice(tx, OperatorNoticeKind::Ticket, OperatorNoticeSeverity::Info, about(ticket), text).await?;
    defer(tx, &notice, format!("ticket-opened:{}", ticket.id)).await
}

/// Tells that the customer of a ticket wrote again. It is counted while the notice of the ticket is open.
pub(crate) async fn written(tx: &mut Tx, ticket: &Ticket, message_id: MessageId) -> Result<(), DbError> {
    let text = format!("The customer of ticket {} wrote again.", ticket.number);
    let notice =
        notice(tx, OperatorNoticeKind::Ticket, OperatorNoticeSeverity::Info, about(ticket), text).await?;
    defer(tx, &notice, format!("ticket-written:{message_id}")).await
}

/// Tells that a mail came to a ticket from another address than its customer's.
pub(crate) async fn written_by_other(
    tx: &mut Tx,
    ticket: &Ticket,
    message_id: MessageId,
) -> Result<(), DbError> {
    let text = format!("A mail came to ticket {} from another address than its customer's.", ticket.number);
    let notice =
        notice(tx, OperatorNoticeKind::Ticket, OperatorNoticeSeverity::Info, about(ticket), text).await?;
    defer(tx, &notice, format!("ticket-written:{message_id}")).await
}

/// Tells operators that too many mails come to a ticket, so that they are no longer read as replies.
pub(crate) async fn too_many_mails(
    tx: &mut Tx,
    ticket: &Ticket,
    mail_id: InboundMailId,
) -> Result<(), DbError> {
    let text = format!(
        "More than {MOST_PER_HOUR} mails came to ticket {} within an hour. Further ones are kept, and not read as replies.",
        ticket.number
    );
    let about = format!("mails:{}", ticket.id);
    let notice = notice(tx, OperatorNoticeKind::Ticket, OperatorNoticeSeverity::Warning, about, text).await?;
    defer(tx, &notice, format!("too-many-mails:{mail_id}")).await
}

/// Tells that a mail came to an address that belongs to no ticket. Only the mail provider has it.
pub(crate) async fn mail_without_ticket(tx: &mut Tx, mail_id: InboundMailId) -> Result<(), DbError> {
    let text = "A mail came to an address that belongs to no ticket. The mail provider's page of received mails shows it.";
    // Nothing ends this notice, so each day has one of its own.
    let about = format!("mails:without-ticket:{}", tx.now().await?.format("%Y-%m-%d"));
    let severity = OperatorNoticeSeverity::Info;
    let notice = notice(tx, OperatorNoticeKind::Ticket, severity, about, text.to_owned()).await?;
    defer(tx, &notice, format!("mail-without-ticket:{mail_id}")).await
}

/// Reports that staff have looked at a ticket: the next message of its customer makes a new notice.
pub(crate) async fn attended(tx: &mut Tx, ticket: &Ticket) -> Result<(), DbError> {
    let now = tx.now().await?.timestamp_micros();
    let key = format!("ticket-attended:{}:{now}", ticket.id);
    end(tx, OperatorNoticeKind::Ticket, about(ticket), key).await?;
    if ticket.overdue_time.is_some() {
        let key = format!("ticket-no-longer-overdue:{}:{now}", ticket.id);
        end(tx, OperatorNoticeKind::Deadline, about(ticket), key).await?;
    }
    Ok(())
}

/// Tells that the first reply to a ticket is overdue.
pub(crate) async fn overdue(tx: &mut Tx, ticket: &Ticket) -> Result<(), DbError> {
    let text = format!(
        "The first reply to ticket {} is overdue. Plan: {}, {} business hours.",
        ticket.number,
        ticket.plan.title(),
        ticket.plan.first_reply_hours()
    );
    let severity = OperatorNoticeSeverity::Warning;
    let notice = notice(tx, OperatorNoticeKind::Deadline, severity, about(ticket), text).await?;
    defer(tx, &notice, format!("ticket-overdue:{}", ticket.id)).await
}

/// Tells that a lead came.
pub(crate) async fn lead(tx: &mut Tx, lead: &Lead) -> Result<(), DbError> {
    let form = match lead.kind {
        LeadKind::Sales => "sales form",
        LeadKind::Kickoff => "kick-off form",
        LeadKind::Guide => "form of the free guide",
        LeadKind::Connector => "list for a connector",
    };
    let score = match lead.score {
        Some(score) => format!("Its score is {score} of 100."),
        None => "It has no score, because the person objects to profiling.".to_owned(),
    };
    let text = format!("A lead came by the {form}. {score}");
    let about = format!("lead:{}", lead.id);
    let notice = notice(tx, OperatorNoticeKind::Lead, OperatorNoticeSeverity::Info, about, text).await?;
    defer(tx, &notice, format!("lead:{}", lead.id)).await
}

/// Tells that a complaint came.
pub(crate) async fn complaint(tx: &mut Tx, complaint: &Complaint) -> Result<(), DbError> {
    let acknowledged = if complaint.acknowledge_time.is_some() {
        "It is acknowledged by mail."
    } else {
        "It is not acknowledged by mail: nobody proved its address, which got as many mails as it gets in a day."
    };
    let text = format!(
        "Complaint {} came. {acknowledged} Its result is due by {}.",
        complaint.number,
        complaint.answer_due_time.format("%d %B %Y, %H:%M UTC")
    );
    let about = format!("complaint:{}", complaint.id);
    let severity = OperatorNoticeSeverity::Warning;
    let notice = notice(tx, OperatorNoticeKind::Complaint, severity, about, text).await?;
    defer(tx, &notice, format!("complaint:{}", complaint.id)).await
}

/// Tells that the result of a complaint is overdue.
pub(crate) async fn complaint_overdue(tx: &mut Tx, complaint: &Complaint) -> Result<(), DbError> {
    let text = format!("The result of complaint {} is overdue.", complaint.number);
    let about = format!("complaint:{}", complaint.id);
    let severity = OperatorNoticeSeverity::Warning;
    let notice = notice(tx, OperatorNoticeKind::Deadline, severity, about, text).await?;
    defer(tx, &notice, format!("complaint-overdue:{}", complaint.id)).await
}

/// Ends the notices of a complaint that has its result.
pub(crate) async fn complaint_answered(tx: &mut Tx, id: ComplaintId) -> Result<(), DbError> {
    for kind in [OperatorNoticeKind::Complaint, OperatorNoticeKind::Deadline] {
        let key = format!("complaint-answered:{id}:{}", kind.as_str_name());
        end(tx, kind, format!("complaint:{id}"), key).await?;
    }
    Ok(())
}

/// Tells that the language model's server refuses what our settings say. Nothing ends this notice, so each day has one of its own.
pub(crate) async fn model_refused(tx: &mut Tx, outcome: ModelOutcome) -> Result<(), DbError> {
    let now = tx.now().await?;
    let outcome = outcome.as_str();
    let text = format!(
        "The server of the language model refuses our requests ({outcome}): the chat quotes articles instead. Correct OPENAI_API_KEY, \
         OPENAI_BASE_URL or LEVQOR_AI_MODEL."
    );
    let about = format!("ai:{outcome}:{}", now.format("%Y-%m-%d"));
    let (kind, severity) = (OperatorNoticeKind::SystemFailed, OperatorNoticeSeverity::Warning);
    let notice = notice(tx, kind, severity, about, text).await?;
    defer(tx, &notice, format!("ai:{outcome}:{}", now.timestamp_micros())).await
}

/// Tells that a text was taken with a warning of the screen for high-risk data. `what` has the text, such as `ticket:0190…`. It
/// needs no end.
pub(crate) async fn screened(tx: &mut Tx, screened: &Screened, what: &str) -> Result<(), DbError> {
    let warning = screened.warning(Support::NAME, what, tx.now().await?);
    let Some(Warning { about, text, fact_time, key }) = warning else { return Ok(()) };
    let severity = match screened {
        Screened::Clear | Screened::Warned(_) | Screened::Unanswered => OperatorNoticeSeverity::Info,
        Screened::Blocked(_) => OperatorNoticeSeverity::Warning,
    };
    let mut notice = notice(tx, OperatorNoticeKind::HighRiskText, severity, about, text).await?;
    notice.fact_time = Some(timestamp(fact_time));
    defer(tx, &notice, key).await
}

/// Pages operators: a customer reported an emergency.
pub(crate) async fn emergency(tx: &mut Tx, id: IncidentId) -> Result<(), DbError> {
    let text = "A customer reports an emergency. It is private until somebody publishes it. Acknowledge it within 15 minutes.";
    let (kind, severity) = (OperatorNoticeKind::Incident, OperatorNoticeSeverity::Critical);
    let notice = notice(tx, kind, severity, format!("incident:{id}"), text.to_owned()).await?;
    defer(tx, &notice, format!("incident-reported:{id}")).await
}

/// Ends the notice of an incident that is over.
pub(crate) async fn emergency_over(tx: &mut Tx, id: IncidentId) -> Result<(), DbError> {
    end(tx, OperatorNoticeKind::Incident, format!("incident:{id}"), format!("incident-over:{id}")).await
}

fn about(ticket: &Ticket) -> String {
    format!("ticket:{}", ticket.id)
}

/// Defers the end of a notice.
async fn end(tx: &mut Tx, kind: OperatorNoticeKind, about: String, key: String) -> Result<(), DbError> {
    let fact_time = Some(timestamp(tx.now().await?));
    defer(tx, &EndOperatorNoticeRequest { kind: kind.into(), about, fact_time }, key).await
}

async fn notice(
    tx: &mut Tx,
    kind: OperatorNoticeKind,
    severity: OperatorNoticeSeverity,
    about: String,
    text: String,
) -> Result<NotifyOperatorsRequest, DbError> {
    let fact_time = Some(timestamp(tx.now().await?));
    Ok(NotifyOperatorsRequest {
        kind: kind.into(),
        severity: severity.into(),
        about,
        text,
        link: String::new(),
        fact_time,
    })
}

/// The lines of a report about this time.
pub(crate) async fn digest(conn: &mut PgConnection, period: &Period) -> Result<Vec<String>, DbError> {
    if matches!(period.report, Report::DailyErrors | Report::WeeklyGovernance) {
        return Ok(Vec::new());
    }
    let (opened, solved) = tickets::turnover(conn, period.begin, period.end).await?;
    let overdue = tickets::overdue_count(conn).await?;
    let mut lines = Vec::new();
    if opened > 0 {
        lines.push(format!("{opened} tickets were opened, and {solved} of them are solved"));
    }
    let (answers, sum) = surveys::answered(conn, period.begin, period.end).await?;
    if answers > 0 {
        // In tenths, rounded down: a whole number needs no floating point.
        let tenths = sum * 10 / answers;
        lines.push(format!(
            "{answers} customers said how satisfied they are: {}.{} of 5",
            tenths / 10,
            tenths % 10
        ));
    }
    if overdue > 0 {
        lines.push(format!("{overdue} first replies to tickets are overdue"));
    }
    Ok(lines)
}
