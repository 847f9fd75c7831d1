//! Lists data requests, newest first. Customers see only their own, whatever the filter.

use levqor_proto_compliance::v1::{ListDataRequestsRequest, ListDataRequestsResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Compliance,
    error::Error,
    store::data_requests::{self, Filter},
};

pub(super) async fn list_data_requests(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListDataRequestsRequest,
) -> Result<ListDataRequestsResponse, Error> {
    let scope = ctx.scope();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        data_requests::list(tx, &scope, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListDataRequestsResponse {
        data_requests: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListDataRequestsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListDataRequestsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        let email = violations.filter("email", &request.email);
        violations.finish(Some(Self { state, email }))
    }
}
