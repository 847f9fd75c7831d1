//! Lists complaints, newest first, for staff.

use levqor_proto_support::v1::{ListComplaintsRequest, ListComplaintsResponse};
use levqor_runtime::{context::Ctx, error::Invalid, rpc::list};

use crate::{
    Support,
    error::Error,
    store::complaints::{self, Filter},
};

pub(super) async fn list_complaints(
    support: &Support,
    ctx: Ctx,
    request: ListComplaintsRequest,
) -> Result<ListComplaintsResponse, Error> {
    list(support, &ctx, &request, complaints::list, |complaints, next_page_token| ListComplaintsResponse {
        complaints: complaints.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListComplaintsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListComplaintsRequest) -> Result<Self, Invalid> {
        Ok(Self { open: request.open })
    }
}
