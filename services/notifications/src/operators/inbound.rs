//! Tells operators about a received mail that support does not get, in the transaction that stores this.

use levqor_proto_mail::v1::{NotifyOperatorsRequest, OperatorNoticeKind, OperatorNoticeSeverity};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    timestamp,
};

use crate::domain::inbound_mail::InboundMailId;

const TEXT: &str = "A received mail cannot be fetched: the mail provider does not have it any more, or it is too large. No ticket has it, and \
     its sender may wait for an answer. Look for it on the mail provider's page of received mails.";

/// Tells that a received mail cannot be fetched.
pub(crate) async fn not_fetched(tx: &mut Tx, id: InboundMailId) -> Result<(), DbError> {
    let now = tx.now().await?;
    let notice = NotifyOperatorsRequest {
        kind: OperatorNoticeKind::Ticket.into(),
        severity: OperatorNoticeSeverity::Warning.into(),
        // Nothing ends this notice, so each day has one of its own.
        about: format!("mails:not-fetched:{}", now.format("%Y-%m-%d")),
        text: TEXT.to_owned(),
        link: String::new(),
        fact_time: Some(timestamp(now)),
    };
    defer(tx, &notice, format!("inbound-mail-not-fetched:{id}")).await
}
