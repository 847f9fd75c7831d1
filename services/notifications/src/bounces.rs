//! What bounces and complaints mean for an address: a reply that says that the address is dead, and a complaint, suppress it.
//! Several other bounces in a row, for a temporary or unknown reason, suppress it for a while.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::{DbError, Tx};

use crate::{
    domain::{
        message::MessageId,
        report::{AboutAddress, Report},
        suppression::{SuppressionId, SuppressionReason},
    },
    store::{
        delivery_reports, messages,
        suppressions::{self, NewSuppression},
    },
};

/// An address is suppressed for a while after this many mails to it bounced for temporary or unknown reasons within `AILING_WITHIN`.
const AILING_MAILS: i64 = 3;
/// The time in which these bounces are counted.
const AILING_WITHIN: TimeDelta = TimeDelta::days(14);
/// How long an address is suppressed after these bounces.
const AILING_FOR: TimeDelta = TimeDelta::days(7);

/// Suppresses the recipient of a message if a new report about the message requires it. The message's row is locked.
pub(crate) async fn apply_report(tx: &mut Tx, id: MessageId, report: &Report) -> Result<(), DbError> {
    let Some(about) = report.outcome.about_address(report.class) else { return Ok(()) };
    let now = tx.now().await?;
    let (reason, until_time) = match about {
        AboutAddress::Dead => (SuppressionReason::HardBounce, None),
        AboutAddress::Complained => (SuppressionReason::Complaint, None),
        AboutAddress::Ailing => {
            if delivery_reports::ailing(tx, id, now - AILING_WITHIN, AILING_MAILS).await? < AILING_MAILS {
                return Ok(());
            }
            (SuppressionReason::SoftBounces, Some(now + AILING_FOR))
        }
    };
    suppress(tx, id, reason, until_time).await
}

/// Suppresses the recipient of a message, whose row is locked.
pub(crate) async fn suppress(
    tx: &mut Tx,
    id: MessageId,
    reason: SuppressionReason,
    until_time: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    let Some(message) = messages::get(tx, id).await? else { return Ok(()) };
    let now = tx.now().await?;
    suppressions::hold(tx, &message.recipient_hash).await?;
    let suppression = NewSuppression {
        id: SuppressionId::new_at(now),
        recipient: message.recipient.as_ref(),
        recipient_hash: message.recipient_hash,
        reason,
        evidence: &format!("message:{id}"),
        create_time: now,
        until_time,
    };
    suppressions::put(tx, &suppression).await?;
    tx.after_commit(move || {
        let reason = reason.as_str();
        tracing::info!(message.id = %id, reason, "the recipient of a mail is suppressed");
    });
    Ok(())
}
