//! `ListSuppressions`: shows staff the addresses that must not get mail, newest first.

use levqor_proto_notifications::v1::{self as wire, ListSuppressionsRequest, ListSuppressionsResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    email::Email,
    error::{Invalid, Violations},
    rpc::list,
    timestamp,
};

use crate::{
    Notifications,
    domain::suppression::Suppression,
    error::Error,
    store::suppressions::{self, Filter},
};

pub(super) async fn list_suppressions(
    notifications: &Notifications,
    ctx: Ctx,
    request: ListSuppressionsRequest,
) -> Result<ListSuppressionsResponse, Error> {
    let key = &notifications.config.address_key;
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        let recipient = filter.recipient.as_ref().map(|address| key.hash(address));
        suppressions::list(tx, recipient.as_ref(), filter, page).await
    };
    list(notifications, &ctx, &request, store, |suppressions, next_page_token| ListSuppressionsResponse {
        suppressions: suppressions.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListSuppressionsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListSuppressionsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self {
            recipient: violations.filter("recipient", &request.recipient),
            reason: violations.filter_enum("reason", request.reason),
        };
        violations.finish(Some(filter))
    }
}

impl From<Suppression> for wire::Suppression {
    fn from(suppression: Suppression) -> Self {
        Self {
            suppression_id: suppression.id.to_string(),
            recipient: suppression.recipient.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
            reason: suppression.reason.into(),
            evidence: suppression.evidence,
            create_time: Some(timestamp(suppression.create_time)),
            until_time: suppression.until_time.map(timestamp),
        }
    }
}
