//! Lists waiting and dead deferred calls, for admins.

use levqor_proto_runtime::v1::{ListDeferredCallsRequest, ListDeferredCallsResponse};

use super::{Error, Hosted};
use crate::{
    context::Ctx,
    deferred::store::{self, Filter},
    error::{Invalid, Violations},
    rpc::list,
    service::Service,
};

pub(super) async fn list_deferred_calls<S: Service>(
    hosted: &Hosted<S>,
    ctx: Ctx,
    request: ListDeferredCallsRequest,
) -> Result<ListDeferredCallsResponse, Error> {
    list(hosted, &ctx, &request, store::list, |calls, next_page_token| ListDeferredCallsResponse {
        deferred_calls: calls.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListDeferredCallsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListDeferredCallsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        violations.finish(Some(Self { state }))
    }
}
