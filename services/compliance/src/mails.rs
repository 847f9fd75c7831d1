//! The mails about data requests, complaints and legal documents. Each has a key, so that it is sent once.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::London;
use levqor_proto_mail::v1::{
    ComplaintAcknowledged, ComplaintAnswered, ComplaintProgress, DataRequestCode, DataRequestDone,
    DataRequestExtended, DataRequestLink, DataRequestProgress, DataRequestRefused, ErasureDone,
    PrivacyPreferencesUpdated, RestrictionEnding, SendMessageRequest, TermsUpdated,
    send_message_request::Content,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::{self, defer},
    email::Email,
    site::SiteUrl,
    timestamp,
};
use sqlx::PgConnection;

use crate::domain::{
    code::{self, Code},
    data_request::{DataRequest, DataRequestId, Entitlement, State},
    declaration::Person,
    export::LINK_VALID,
    legal_document::LegalDocument,
    privacy_complaint::PrivacyComplaint,
};

/// The steps of a data request that cause a mail to the person. Mails with one-time codes are not in this list.
pub(crate) const STEPS: &[&str] = &[
    "received",
    "approved",
    "extended",
    "ready",
    "erased",
    "rectified",
    "restricted",
    "lifting",
    "unrestricted",
    "declared",
    "refused",
];

/// The reference of the mail about a step of a data request.
pub(crate) fn about(id: DataRequestId, step: &str) -> String {
    format!("data_request:{id}:{step}")
}

/// A one-time code.
pub(crate) async fn code(
    tx: &mut Tx,
    request: &DataRequest,
    code: &Code,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let content = DataRequestCode { code: code.as_str().to_owned(), valid: Some(duration(code::VALID)) };
    send(tx, request, &format!("code-{}", now.timestamp_millis()), Content::DataRequestCode(content)).await
}

/// The request is received.
pub(crate) async fn received(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    let progress = match (request.state, request.entitlement) {
        (State::AwaitingApproval, Entitlement::Erasure) => {
            "We have received your request. Nothing is erased before you have seen what an erasure does, and have approved it."
        }
        (State::AwaitingApproval, _) => "We have received your request. A person looks at it.",
        _ => "We have received your request and are working on it.",
    };
    tell(tx, request, "received", progress.to_owned()).await
}

/// The erasure is approved, and can still be cancelled.
pub(crate) async fn approved(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    let day = request.erase_time.map(|time| time.with_timezone(&London).format("%-d %B %Y").to_string());
    let day = day.unwrap_or_default();
    tell(
        tx,
        request,
        "approved",
        format!("The erasure is approved. It begins on {day}. Until then you can cancel it."),
    )
    .await
}

/// The answer takes longer.
pub(crate) async fn extended(tx: &mut Tx, request: &DataRequest, reasons: &str) -> Result<(), DbError> {
    let content = DataRequestExtended {
        customer_name: String::new(),
        request_id: request.id.to_string(),
        right: right(request.entitlement).to_owned(),
        reasons: reasons.to_owned(),
        due_time: request.due_time.map(timestamp),
    };
    send(tx, request, "extended", Content::DataRequestExtended(content)).await
}

/// The request is refused.
pub(crate) async fn refused(tx: &mut Tx, request: &DataRequest, reasons: &str) -> Result<(), DbError> {
    let content = DataRequestRefused {
        customer_name: String::new(),
        request_id: request.id.to_string(),
        right: right(request.entitlement).to_owned(),
        reasons: reasons.to_owned(),
    };
    send(tx, request, "refused", Content::DataRequestRefused(content)).await
}

/// The copy is ready.
pub(crate) async fn ready(tx: &mut Tx, request: &DataRequest, link: String) -> Result<(), DbError> {
    let content = DataRequestLink {
        customer_name: String::new(),
        request_id: request.id.to_string(),
        export_link: link,
        valid: Some(duration(LINK_VALID)),
    };
    send(tx, request, "ready", Content::DataRequestLink(content)).await
}

/// The data is erased. `kept` lists the data that is kept. The mail is sent before the address is erased.
pub(crate) async fn erased(
    tx: &mut Tx,
    request: &DataRequest,
    kept: Vec<String>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let content =
        ErasureDone { request_id: request.id.to_string(), erasure_time: Some(timestamp(now)), kept };
    send(tx, request, "erased", Content::ErasureDone(content)).await
}

/// Whether the call that sends the mail of `erased` is still waiting.
pub(crate) async fn erased_waits(conn: &mut PgConnection, request: &DataRequest) -> Result<bool, DbError> {
    deferred::is_waiting::<SendMessageRequest>(conn, &key(request, "erased")).await
}

/// The name or the address is corrected. The mail lists the data that a correction does not change.
pub(crate) async fn rectified(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    let outcome = "We have corrected your data in our records. Mails, messages and files stay as they were written, and our \
                   payment provider keeps a record of its own.";
    done(tx, request, "rectified", outcome.to_owned()).await
}

/// The processing is restricted.
pub(crate) async fn restricted(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    let outcome = "We keep your data and do not use it for anything else. We tell you before this ends.";
    done(tx, request, "restricted", outcome.to_owned()).await
}

/// The restriction will end.
pub(crate) async fn lifting(
    tx: &mut Tx,
    request: &DataRequest,
    reasons: &str,
    end: DateTime<Utc>,
) -> Result<(), DbError> {
    let content = RestrictionEnding {
        customer_name: String::new(),
        request_id: request.id.to_string(),
        reasons: reasons.to_owned(),
        end_time: Some(timestamp(end)),
    };
    // The restriction of one request ends once.
    send(tx, request, "lifting", Content::RestrictionEnding(content)).await
}

/// The restriction has ended.
pub(crate) async fn unrestricted(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    done(tx, request, "unrestricted", "The restriction has ended.".to_owned()).await
}

/// An objection or the withdrawal of consents has effect.
pub(crate) async fn declared(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    let content = PrivacyPreferencesUpdated { changes: request.declared.changes() };
    send(tx, request, "declared", Content::PrivacyPreferencesUpdated(content)).await
}

async fn done(tx: &mut Tx, request: &DataRequest, step: &str, outcome: String) -> Result<(), DbError> {
    let content = DataRequestDone {
        customer_name: String::new(),
        request_id: request.id.to_string(),
        right: right(request.entitlement).to_owned(),
        outcome,
    };
    send(tx, request, step, Content::DataRequestDone(content)).await
}

async fn tell(tx: &mut Tx, request: &DataRequest, step: &str, progress: String) -> Result<(), DbError> {
    let content = DataRequestProgress {
        customer_name: String::new(),
        request_id: request.id.to_string(),
        right: right(request.entitlement).to_owned(),
        progress,
        due_time: request.due_time.map(timestamp),
    };
    send(tx, request, step, Content::DataRequestProgress(content)).await
}

/// The end of `your request for …`.
const fn right(entitlement: Entitlement) -> &'static str {
    match entitlement {
        Entitlement::Access => "a copy of your data",
        Entitlement::Portability => "a copy of your data that machines read",
        Entitlement::Erasure => "the erasure of your data",
        Entitlement::Rectification => "the correction of your data",
        Entitlement::Restriction => "the restriction of what we do with your data",
        Entitlement::Objection => "a change of your objections",
        Entitlement::ConsentWithdrawal => "the withdrawal of your consent",
    }
}

async fn send(tx: &mut Tx, request: &DataRequest, step: &str, content: Content) -> Result<(), DbError> {
    let mail = SendMessageRequest {
        recipient: request.email.as_str().to_owned(),
        about: about(request.id, step),
        locale: tx.locale().to_owned(),
        content: Some(content),
        ..SendMessageRequest::default()
    };
    defer(tx, &mail, key(request, step)).await
}

/// The key of the mail about a step.
fn key(request: &DataRequest, step: &str) -> String {
    format!("data-request:{}:{step}", request.id)
}

fn duration(time: TimeDelta) -> prost_types::Duration {
    prost_types::Duration { seconds: time.num_seconds(), nanos: 0 }
}

/// A version of a legal document is published. Each person gets one mail, even if the call is repeated, because `name` is the same for
/// the same address.
pub(crate) async fn announced(
    tx: &mut Tx,
    document: &LegalDocument,
    (person, name): (&Email, &str),
    site: &SiteUrl,
) -> Result<(), DbError> {
    let content = TermsUpdated {
        customer_name: String::new(),
        document: document.kind.title().to_owned(),
        changes: document.changes.clone(),
        effective_time: Some(timestamp(document.effective_time)),
        acceptance_required: document.acceptance_required,
        document_link: format!("{site}/legal/{}", document.kind.as_str().to_lowercase().replace('_', "-")),
    };
    let mail = SendMessageRequest {
        recipient: person.as_str().to_owned(),
        about: format!("legal_document:{}", document.id),
        content: Some(Content::TermsUpdated(content)),
        ..SendMessageRequest::default()
    };
    defer(tx, &mail, format!("legal-document:{}:{name}", document.id)).await
}

/// The person objects to uses of their data, or objects no longer. `ids` are those of these declarations. Sends nothing
/// if there is no address or nothing changed.
pub(crate) async fn objections_changed(
    tx: &mut Tx,
    person: &Person,
    changes: Vec<String>,
    ids: &[String],
) -> Result<(), DbError> {
    let (Some(email), Some(id)) = (&person.email, ids.first().filter(|_| !changes.is_empty())) else {
        return Ok(());
    };
    let mail = SendMessageRequest {
        recipient: email.as_str().to_owned(),
        about: format!("objection:{id}"),
        locale: tx.locale().to_owned(),
        content: Some(Content::PrivacyPreferencesUpdated(PrivacyPreferencesUpdated { changes })),
        ..SendMessageRequest::default()
    };
    defer(tx, &mail, format!("objections-changed:{id}")).await
}

/// A complaint is received. A complaint without an address gets no mail: staff write a letter.
pub(crate) async fn complaint_acknowledged(tx: &mut Tx, complaint: &PrivacyComplaint) -> Result<(), DbError> {
    let content = ComplaintAcknowledged {
        customer_name: complaint.of.name.clone(),
        complaint_id: complaint.id.to_string(),
        receipt_time: Some(timestamp(complaint.receive_time)),
    };
    send_step(tx, complaint, "acknowledged", Content::ComplaintAcknowledged(content)).await
}

/// The progress of a complaint. Each progress report is a mail of its own.
pub(crate) async fn complaint_progress(
    tx: &mut Tx,
    complaint: &PrivacyComplaint,
    progress: String,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let content = ComplaintProgress {
        customer_name: complaint.of.name.clone(),
        complaint_id: complaint.id.to_string(),
        progress,
    };
    let step = format!("progress-{}", now.timestamp_micros());
    send_step(tx, complaint, &step, Content::ComplaintProgress(content)).await
}

/// A complaint has its outcome.
pub(crate) async fn complaint_answered(tx: &mut Tx, complaint: &PrivacyComplaint) -> Result<(), DbError> {
    let content = ComplaintAnswered {
        customer_name: complaint.of.name.clone(),
        complaint_id: complaint.id.to_string(),
        outcome: complaint.outcome.clone().unwrap_or_default(),
    };
    send_step(tx, complaint, "answered", Content::ComplaintAnswered(content)).await
}

/// Mails a step of a complaint, if it has an address.
async fn send_step(
    tx: &mut Tx,
    complaint: &PrivacyComplaint,
    step: &str,
    content: Content,
) -> Result<(), DbError> {
    let Some(email) = &complaint.of.email else { return Ok(()) };
    let mail = SendMessageRequest {
        recipient: email.as_str().to_owned(),
        about: format!("privacy_complaint:{}:{step}", complaint.id),
        locale: tx.locale().to_owned(),
        content: Some(content),
        ..SendMessageRequest::default()
    };
    defer(tx, &mail, format!("privacy-complaint:{}:{step}", complaint.id)).await
}
