//! Lists restrictions of processing, newest first, for staff.

use levqor_proto_compliance::v1::{ListRestrictionsRequest, ListRestrictionsResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    privacy::HoldKind,
    rpc::list,
};

use crate::{
    Compliance,
    error::Error,
    store::placed_holds::{self, Filter},
};

pub(super) async fn list_restrictions(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListRestrictionsRequest,
) -> Result<ListRestrictionsResponse, Error> {
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        placed_holds::list(tx, HoldKind::Restriction, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListRestrictionsResponse {
        restrictions: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListRestrictionsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListRestrictionsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        let email = violations.filter("email", &request.email);
        violations.finish(Some(Self { state, email, matter: String::new() }))
    }
}
