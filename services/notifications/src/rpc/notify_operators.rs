//! `NotifyOperators`: tells operators one fact for a service of the mesh, on every channel that is set up. While the notice is
//! open, the same fact is only counted.

use levqor_proto_mail::v1::{
    NotifyOperatorsRequest, NotifyOperatorsResponse, OperatorNotice, SendMessageRequest,
    send_message_request::Content,
};
use levqor_proto_notifications::v1::DeliverOperatorNoticeRequest;
use levqor_runtime::{
    context::{Actor, Ctx},
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
    timestamp,
};

use crate::{
    Notifications,
    domain::{
        link::Link,
        operator_notice::{Fact, NoticeId, Repeats},
    },
    error::Error,
    store::{operator_deliveries, operator_notices},
};

pub(super) async fn notify_operators(
    notifications: &Notifications,
    ctx: Ctx,
    request: NotifyOperatorsRequest,
) -> Result<NotifyOperatorsResponse, Error> {
    let fact: Fact = (&request).try_into()?;
    let source = source(&ctx);
    mutate(notifications, &ctx, &request, async |tx| {
        operator_notices::hold(tx, fact.kind, &fact.about).await?;
        let is_over = operator_notices::last_end(tx, fact.kind, &fact.about).await?;
        if is_over.is_some_and(|end| end >= fact.fact_time) {
            let response = NotifyOperatorsResponse::default();
            return Ok(Done::unaudited(response, "only services make this call"));
        }
        let now = tx.now().await?;
        let (id, told) = operator_notices::report(tx, NoticeId::new_at(now), &fact, &source, now).await?;
        if told {
            tell(tx, notifications, id, &fact).await?;
        }
        let (metrics, kind) = (notifications.metrics.clone(), fact.kind);
        tx.after_commit(move || {
            metrics.reported(kind, told);
            tracing::info!(operator_notice.id = %id, operator_notice.kind = kind.as_str(), "operators were notified");
        });
        let response = NotifyOperatorsResponse { operator_notice_id: id.to_string(), told };
        Ok(Done::unaudited(response, "only services make this call"))
    })
    .await
}

/// Defers the delivery to each channel that is set up, and the mail to the mailbox for notices of this kind.
async fn tell(tx: &mut Tx, notifications: &Notifications, id: NoticeId, fact: &Fact) -> Result<(), DbError> {
    if let Some(recipient) = notifications.operators.inboxes.address(fact.kind.inbox())
        && let Some((_, repeats)) = operator_notices::told(tx, id).await?
    {
        defer(tx, &mail(recipient, id, fact, &repeats), format!("operator-notice:{id}:MAIL")).await?;
    }
    for channel in notifications.operators.channels() {
        operator_deliveries::insert(tx, id, channel).await?;
        let call =
            DeliverOperatorNoticeRequest { operator_notice_id: id.to_string(), channel: channel.into() };
        defer(tx, &call, format!("operator-notice:{id}:{}", channel.as_str())).await?;
    }
    Ok(())
}

/// The notice as a mail.
fn mail(recipient: &Email, id: NoticeId, fact: &Fact, repeats: &Repeats) -> SendMessageRequest {
    let first_time = if repeats.count == 0 { fact.fact_time } else { repeats.first_time };
    SendMessageRequest {
        recipient: recipient.as_str().to_owned(),
        about: format!("operator-notice:{id}"),
        content: Some(Content::OperatorNotice(OperatorNotice {
            title: fact.kind.title().to_owned(),
            severity: fact.severity.as_str().to_lowercase(),
            details: Some(fact.text.as_str().to_owned()),
            link: fact.link.as_ref().map(|link| link.as_str().to_owned()),
            repeats: repeats.count,
            first_time: Some(timestamp(first_time)),
        })),
        ..SendMessageRequest::default()
    }
}

/// The service that reports a fact.
pub(super) fn source(ctx: &Ctx) -> String {
    match &ctx.actor {
        Actor::Service(name) => name.clone(),
        // Only services may call.
        Actor::User(_) | Actor::Anonymous => String::new(),
    }
}

impl TryFrom<&NotifyOperatorsRequest> for Fact {
    type Error = Invalid;

    fn try_from(request: &NotifyOperatorsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind = violations.field_enum("kind", request.kind);
        let severity = violations.field_enum("severity", request.severity);
        let about = violations.field("about", &request.about);
        let text = violations.field("text", &request.text);
        let link = if request.link.is_empty() {
            Some(None)
        } else {
            violations.parse("link", &request.link, Link::EXPECTED).map(Some)
        };
        let fact_time = violations.field_time("fact_time", request.fact_time.as_ref());
        let fact = || {
            let (kind, severity, about) = (kind?, severity?, about?);
            Some(Self { kind, severity, about, text: text?, link: link?, fact_time: fact_time? })
        };
        violations.finish(fact())
    }
}
