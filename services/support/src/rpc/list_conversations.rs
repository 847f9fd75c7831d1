//! Lists conversations, newest first, for staff.

use levqor_proto_support::v1::{ListConversationsRequest, ListConversationsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Support,
    error::Error,
    store::conversations::{self, Filter},
};

pub(super) async fn list_conversations(
    support: &Support,
    ctx: Ctx,
    request: ListConversationsRequest,
) -> Result<ListConversationsResponse, Error> {
    list(support, &ctx, &request, conversations::list, |conversations, next_page_token| {
        ListConversationsResponse {
            conversations: conversations.iter().map(Into::into).collect(),
            next_page_token,
        }
    })
    .await
}

impl TryFrom<&ListConversationsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListConversationsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self {
            state: violations.filter_enum("state", request.state),
            customer_email: violations.filter("customer_email", &request.customer_email),
        };
        violations.finish(Some(filter))
    }
}
