//! Compliance's notices to operators: each is deferred in the transaction of its fact. A notice holds no names.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::London;
use levqor_proto_mail::v1::{
    EndOperatorNoticeRequest, NotifyOperatorsRequest, OperatorNoticeKind, OperatorNoticeSeverity,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    timestamp,
};

use crate::{
    archives::{Detour, Stored},
    domain::{
        audit_chain::{Found, State},
        breach::{Breach, BreachId},
        data_request::DataRequestId,
        privacy_complaint::{ComplaintState, PrivacyComplaint, PrivacyComplaintId},
    },
    store::{breaches, data_requests::Alert, privacy_complaints},
};

/// The shares of a time limit after which operators get a notice, in percent.
const SHARES: &[i32] = &[50, 80, 95, 100];

/// The share that ended last, after this many ended.
fn share(alerts: i32) -> i32 {
    let last = usize::try_from(alerts - 1).unwrap_or_default();
    SHARES.get(last).copied().unwrap_or(100)
}

/// An instant as operators read it.
fn in_london(time: DateTime<Utc>) -> String {
    time.with_timezone(&London).format("%-d %B %Y, %H:%M").to_string()
}

/// Tells that a share of the time to answer a data request is over: 50, 80 or 95 %.
pub(crate) async fn due(tx: &mut Tx, alert: &Alert, now: DateTime<Utc>) -> Result<(), DbError> {
    let (share, severity) = match alert.alerts {
        ..=1 => (50, OperatorNoticeSeverity::Info),
        2 => (80, OperatorNoticeSeverity::Warning),
        3.. => (95, OperatorNoticeSeverity::Critical),
    };
    // The due time is part of the key, so an extended time limit gets notices of its own.
    let due = alert.due_time.unwrap_or_default().timestamp();
    let day = alert.due_time.map(in_london);
    let about = format!("data-request:{}:{share}:{due}", alert.id);
    let text = format!(
        "{share} % of the time to answer data request {} are over. It is due on {} (London).",
        alert.id,
        day.unwrap_or_default()
    );
    let notice = notice(OperatorNoticeKind::Deadline, severity, about, text, now);
    defer(tx, &notice, format!("data-request:{}:due:{share}:{due}", alert.id)).await
}

/// Tells that the audit chain of a service is not whole.
pub(crate) async fn chain_not_whole(
    tx: &mut Tx,
    service: &str,
    found: &Found,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let what = match found.state {
        State::Broken => format!("is broken at entry {}", found.broken_sequence),
        State::Cut | State::Whole => "lost entries at its end".to_owned(),
    };
    let (kind, severity) = (OperatorNoticeKind::SystemFailed, OperatorNoticeSeverity::Critical);
    let text = format!(
        "The audit chain of {service} {what}: somebody changed its table, or the database was restored from a backup."
    );
    let notice = notice(kind, severity, format!("audit-chain:{service}"), text, now);
    defer(tx, &notice, format!("audit-chain:{service}:{}", now.timestamp_micros())).await
}

/// Tells that there is a breach of personal data.
pub(crate) async fn breach_known(tx: &mut Tx, breach: &Breach, now: DateTime<Utc>) -> Result<(), DbError> {
    let text = format!(
        "There is a breach of personal data: {}. The regulator has to be told by {} (London), unless the breach is unlikely to put \
         people at risk.",
        breach.id,
        in_london(breach.due_time)
    );
    let (kind, severity) = (OperatorNoticeKind::Incident, OperatorNoticeSeverity::Critical);
    notify(tx, kind, severity, about_breach(breach.id), text, now).await
}

/// Tells that a share of the 72 hours of a breach is over: 50, 80, 95 or 100 %.
pub(crate) async fn breach_due(
    tx: &mut Tx,
    alert: &breaches::Alert,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let share = share(alert.alerts);
    let text = if share < 100 {
        format!(
            "{share} % of the 72 hours to tell the regulator of breach {} are over. They end on {} (London).",
            alert.id,
            in_london(alert.due_time)
        )
    } else {
        format!(
            "The 72 hours to tell the regulator of breach {} are over. Tell it now, with the reasons for the delay.",
            alert.id
        )
    };
    let severity =
        if share < 80 { OperatorNoticeSeverity::Warning } else { OperatorNoticeSeverity::Critical };
    let about = about_share(&about_breach(alert.id), share);
    notify(tx, OperatorNoticeKind::Deadline, severity, about, text, now).await
}

/// Ends the notices of the 72 hours of a breach, because it is decided whether to notify the regulator.
pub(crate) async fn breach_decided(tx: &mut Tx, breach: &Breach, now: DateTime<Utc>) -> Result<(), DbError> {
    end_shares(tx, &about_breach(breach.id), breach.alerts, now).await
}

/// Ends the notice of a breach that is closed.
pub(crate) async fn breach_closed(tx: &mut Tx, breach: &Breach, now: DateTime<Utc>) -> Result<(), DbError> {
    end(tx, OperatorNoticeKind::Incident, about_breach(breach.id), now).await
}

fn about_breach(id: BreachId) -> String {
    format!("breach:{id}")
}

/// The reference of a notice about a share of a time limit.
fn about_share(about: &str, share: i32) -> String {
    format!("{about}:due:{share}")
}

/// Ends the notices about shares of the time limit.
async fn end_shares(tx: &mut Tx, about: &str, alerts: i32, now: DateTime<Utc>) -> Result<(), DbError> {
    let told = usize::try_from(alerts).unwrap_or_default();
    for share in SHARES.iter().take(told) {
        end(tx, OperatorNoticeKind::Deadline, about_share(about, *share), now).await?;
    }
    Ok(())
}

async fn end(
    tx: &mut Tx,
    kind: OperatorNoticeKind,
    about: String,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let key = format!("{about}:end:{}", now.timestamp_micros());
    let over = EndOperatorNoticeRequest { kind: kind.into(), about, fact_time: Some(timestamp(now)) };
    defer(tx, &over, key).await
}

/// Tells that a complaint about the use of personal data came.
pub(crate) async fn complaint_received(
    tx: &mut Tx,
    complaint: &PrivacyComplaint,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let next = match complaint.state {
        ComplaintState::Received => {
            format!("It has to be acknowledged by staff by {} (London).", in_london(complaint.due_time))
        }
        ComplaintState::Acknowledged | ComplaintState::Answered => {
            "It is acknowledged by mail. The outcome is due without undue delay.".to_owned()
        }
    };
    let (kind, severity) = (OperatorNoticeKind::Complaint, OperatorNoticeSeverity::Warning);
    let text = format!("A complaint about the use of personal data came: {}. {next}", complaint.id);
    notify(tx, kind, severity, about_complaint(complaint.id), text, now).await
}

/// Tells that a share of the 30 days of a complaint is over: 50, 80, 95 or 100 %.
pub(crate) async fn complaint_due(
    tx: &mut Tx,
    alert: &privacy_complaints::Alert,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let share = share(alert.alerts);
    let missing = if alert.is_acknowledged {
        "has no outcome yet. The law wants it without undue delay"
    } else {
        "is not acknowledged. The law wants that within 30 days"
    };
    let severity = match (alert.is_acknowledged, share) {
        (_, ..80) => OperatorNoticeSeverity::Info,
        (true, _) | (false, ..95) => OperatorNoticeSeverity::Warning,
        (false, _) => OperatorNoticeSeverity::Critical,
    };
    let about = about_share(&about_complaint(alert.id), share);
    let text = format!(
        "{share} % of 30 days are over, and complaint {} about the use of personal data {missing}. The 30 days end on {} (London).",
        alert.id,
        in_london(alert.due_time)
    );
    notify(tx, OperatorNoticeKind::Deadline, severity, about, text, now).await
}

/// Ends the notices of a complaint that has its outcome.
pub(crate) async fn complaint_answered(
    tx: &mut Tx,
    complaint: &PrivacyComplaint,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    end(tx, OperatorNoticeKind::Complaint, about_complaint(complaint.id), now).await?;
    end_shares(tx, &about_complaint(complaint.id), complaint.alerts, now).await
}

fn about_complaint(id: PrivacyComplaintId) -> String {
    format!("privacy-complaint:{id}")
}

/// Tells that a copy of personal data is not in the first storage, because that storage failed or the buffer had no room. Ends that
/// notice if a later copy is in the first storage.
pub(crate) async fn copy_stored(
    tx: &mut Tx,
    id: DataRequestId,
    stored: Stored,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    const ABOUT: &str = "storage:copies";
    let (place, key) = (stored.place, format!("{ABOUT}:{id}"));
    let (kind, severity, about, text) = match stored.detour {
        None => {
            let (kind, about) = (OperatorNoticeKind::SystemFailed.into(), ABOUT.to_owned());
            let over = EndOperatorNoticeRequest { kind, about, fact_time: Some(timestamp(now)) };
            return defer(tx, &over, key).await;
        }
        Some(Detour::Failed(first)) => (
            OperatorNoticeKind::SystemFailed,
            OperatorNoticeSeverity::Warning,
            ABOUT.to_owned(),
            format!(
                "A copy of personal data went to {place}, because {first} fails. Run `levqor doctor` to see why."
            ),
        ),
        Some(Detour::TooLarge) => (
            OperatorNoticeKind::DataRequest,
            OperatorNoticeSeverity::Info,
            key.clone(),
            format!(
                "A copy of personal data went to {place}, because the 32 MiB of memory for copies to Google Drive were full, or the copy is larger."
            ),
        ),
    };
    defer(tx, &notice(kind, severity, about, text, now), key).await
}

/// Tells that a copy of personal data cannot be removed: it may be in these storages, which are not set up any more.
pub(crate) async fn copy_away(
    tx: &mut Tx,
    id: DataRequestId,
    places: &[String],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let (kind, severity) = (OperatorNoticeKind::SystemFailed, OperatorNoticeSeverity::Warning);
    let text = format!(
        "The copy of data request {id} has to be removed, and may be in a storage that is not set any more: {}. Set it again until the copy is removed (docs/DEPLOY.md).",
        places.join(", ")
    );
    notify(tx, kind, severity, about_away(id), text, now).await
}

/// Ends the notice of `copy_away`, because the copy is removed.
pub(crate) async fn copy_removed(tx: &mut Tx, id: DataRequestId) -> Result<(), DbError> {
    let now = tx.now().await?;
    end(tx, OperatorNoticeKind::SystemFailed, about_away(id), now).await
}

fn about_away(id: DataRequestId) -> String {
    format!("copy-away:{id}")
}

/// Tells that the services have erased a person, so that operators tell the recipients that hold data by themselves (UK GDPR, article 19).
pub(crate) async fn erasure_told(tx: &mut Tx, id: DataRequestId, now: DateTime<Utc>) -> Result<(), DbError> {
    let (kind, severity) = (OperatorNoticeKind::DataRequest, OperatorNoticeSeverity::Info);
    let text = format!(
        "Erasure {id} is nearly done: only its last mails and the request itself remain. Tell the recipients that hold data by themselves (GET /v1/processing-record names them)."
    );
    notify(tx, kind, severity, format!("data-request:{id}:erased"), text, now).await
}

/// Defers a notice. The key of the call is the notice's reference, so the same notice is sent once.
async fn notify(
    tx: &mut Tx,
    kind: OperatorNoticeKind,
    severity: OperatorNoticeSeverity,
    about: String,
    text: String,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let notice = notice(kind, severity, about.clone(), text, now);
    defer(tx, &notice, about).await
}

fn notice(
    kind: OperatorNoticeKind,
    severity: OperatorNoticeSeverity,
    about: String,
    text: String,
    now: DateTime<Utc>,
) -> NotifyOperatorsRequest {
    NotifyOperatorsRequest {
        kind: kind.into(),
        severity: severity.into(),
        about,
        text,
        link: String::new(),
        fact_time: Some(timestamp(now)),
    }
}
