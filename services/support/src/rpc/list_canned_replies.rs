//! Lists canned replies, newest first, for staff.

use levqor_proto_support::v1::{ListCannedRepliesRequest, ListCannedRepliesResponse};
use levqor_runtime::{context::Ctx, error::Invalid, rpc::list};

use crate::{
    Support,
    error::Error,
    store::canned_replies::{self, Filter},
};

pub(super) async fn list_canned_replies(
    support: &Support,
    ctx: Ctx,
    request: ListCannedRepliesRequest,
) -> Result<ListCannedRepliesResponse, Error> {
    list(support, &ctx, &request, canned_replies::list, |replies, next_page_token| {
        ListCannedRepliesResponse {
            canned_replies: replies.into_iter().map(Into::into).collect(),
            next_page_token,
        }
    })
    .await
}

impl TryFrom<&ListCannedRepliesRequest> for Filter {
    type Error = Invalid;

    fn try_from(_: &ListCannedRepliesRequest) -> Result<Self, Invalid> {
        Ok(Self)
    }
}
