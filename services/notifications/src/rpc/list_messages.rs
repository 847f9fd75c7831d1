//! `ListMessages`: shows staff the messages and their states, newest first.

use levqor_proto_notifications::v1::{ListMessagesRequest, ListMessagesResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Notifications,
    error::Error,
    store::messages::{self, Filter},
};

pub(super) async fn list_messages(
    notifications: &Notifications,
    ctx: Ctx,
    request: ListMessagesRequest,
) -> Result<ListMessagesResponse, Error> {
    let key = &notifications.config.address_key;
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        // The filter uses the hash, so that staff can still list the messages of a person whose address was erased.
        let recipient = filter.recipient.as_ref().map(|address| key.hash(address));
        messages::list(tx, recipient.as_ref(), filter, page).await
    };
    list(notifications, &ctx, &request, store, |messages, next_page_token| ListMessagesResponse {
        messages: messages.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListMessagesRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListMessagesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self {
            recipient: violations.filter("recipient", &request.recipient),
            template: violations.filter("template", &request.template),
            about: violations.filter("about", &request.about),
            state: violations.filter_enum("state", request.state),
            delivery_outcome: violations.filter_enum("delivery_outcome", request.delivery_outcome),
        };
        violations.finish(Some(filter))
    }
}
