//! Lists acceptances of legal documents, newest first. Customers see only their own, whatever the filter.

use levqor_proto_compliance::v1::{ListAcceptancesRequest, ListAcceptancesResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Compliance,
    domain::declaration::DeclarationKind,
    error::Error,
    store::declarations::{self, Filter},
};

pub(super) async fn list_acceptances(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListAcceptancesRequest,
) -> Result<ListAcceptancesResponse, Error> {
    let scope = ctx.scope();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        declarations::list(tx, &scope, DeclarationKind::Acceptance, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListAcceptancesResponse {
        acceptances: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListAcceptancesRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListAcceptancesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.filter("email", &request.email);
        violations.finish(Some(Self { email }))
    }
}
