//! Lists breaches, newest first, for staff.

use levqor_proto_compliance::v1::{ListBreachesRequest, ListBreachesResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Compliance,
    error::Error,
    store::breaches::{self, Filter},
};

pub(super) async fn list_breaches(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListBreachesRequest,
) -> Result<ListBreachesResponse, Error> {
    list(compliance, &ctx, &request, breaches::list, |found, next_page_token| ListBreachesResponse {
        breaches: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListBreachesRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListBreachesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        violations.finish(Some(Self { state }))
    }
}
