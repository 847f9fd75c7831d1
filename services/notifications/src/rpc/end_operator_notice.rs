//! `EndOperatorNotice`: ends a notice for a service of the mesh, because its fact is over. The end is stored even if its
//! notice has not come yet, so that operators do not get the notice after its end.

use chrono::{DateTime, Utc};
use levqor_proto_mail::v1::{EndOperatorNoticeRequest, EndOperatorNoticeResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::notify_operators::source;
use crate::{
    Notifications,
    domain::{
        operator_notice::{NoticeId, NoticeKind},
        reference::About,
    },
    error::Error,
    store::operator_notices,
};

pub(super) async fn end_operator_notice(
    notifications: &Notifications,
    ctx: Ctx,
    request: EndOperatorNoticeRequest,
) -> Result<EndOperatorNoticeResponse, Error> {
    let Command { kind, about, fact_time } = (&request).try_into()?;
    let source = source(&ctx);
    mutate(notifications, &ctx, &request, async |tx| {
        operator_notices::hold(tx, kind, &about).await?;
        let ended = operator_notices::end(tx, kind, &about, fact_time).await?;
        if ended.is_none() {
            let now = tx.now().await?;
            let id = NoticeId::new_at(now);
            operator_notices::insert_end(tx, id, kind, &about, &source, fact_time, now).await?;
        }
        let operator_notice_id = ended.map(|id| id.to_string()).unwrap_or_default();
        let response = EndOperatorNoticeResponse { operator_notice_id };
        Ok(Done::unaudited(response, "only services make this call"))
    })
    .await
}

/// A valid request.
struct Command {
    kind: NoticeKind,
    about: About,
    fact_time: DateTime<Utc>,
}

impl TryFrom<&EndOperatorNoticeRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &EndOperatorNoticeRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind = violations.field_enum("kind", request.kind);
        let about = violations.field("about", &request.about);
        let fact_time = violations.field_time("fact_time", request.fact_time.as_ref());
        let command = || Some(Self { kind: kind?, about: about?, fact_time: fact_time? });
        violations.finish(command())
    }
}
