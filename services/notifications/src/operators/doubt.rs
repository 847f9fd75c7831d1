//! Tells operators about a mail in doubt, and about the end of the doubt, in the transaction that changes the mail.

use levqor_proto_mail::v1::{
    EndOperatorNoticeRequest, NotifyOperatorsRequest, OperatorNoticeKind, OperatorNoticeSeverity,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    timestamp,
};

use crate::domain::message::Message;

/// Operators get no notice of mails of these templates: these mails go to operators, and a mail about them would be in doubt for
/// the same reason.
const TO_OPERATORS: &str = "operator_";

/// Tells that a message is in doubt.
pub(crate) async fn tell(tx: &mut Tx, message: &Message, doubt: &str) -> Result<(), DbError> {
    if message.template.starts_with(TO_OPERATORS) {
        return Ok(());
    }
    let Message { id, template, round, .. } = message;
    let doubt: String = doubt.chars().take(600).collect();
    let notice = NotifyOperatorsRequest {
        kind: OperatorNoticeKind::MailInDoubt.into(),
        severity: OperatorNoticeSeverity::Warning.into(),
        about: format!("message:{id}"),
        text: format!(
            "The mail {id} ({template}) may have been sent: {doubt}. Look it up at the provider, then resolve it: \
             POST /v1/messages/{id}:resolve."
        ),
        link: String::new(),
        fact_time: Some(timestamp(tx.now().await?)),
    };
    defer(tx, &notice, format!("mail-in-doubt:{id}:{round}")).await
}

/// Tells that the doubt about a message is over.
pub(crate) async fn end(tx: &mut Tx, message: &Message) -> Result<(), DbError> {
    if message.template.starts_with(TO_OPERATORS) {
        return Ok(());
    }
    let Message { id, round, .. } = message;
    let end = EndOperatorNoticeRequest {
        kind: OperatorNoticeKind::MailInDoubt.into(),
        about: format!("message:{id}"),
        fact_time: Some(timestamp(tx.now().await?)),
    };
    defer(tx, &end, format!("mail-in-doubt-over:{id}:{round}")).await
}
