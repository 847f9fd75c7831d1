//! Lists the records of consents, newest first. Customers see only their own, whatever the filter.

use levqor_proto_compliance::v1::{ListConsentsRequest, ListConsentsResponse};
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

pub(super) async fn list_consents(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListConsentsRequest,
) -> Result<ListConsentsResponse, Error> {
    let scope = ctx.scope();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        declarations::list(tx, &scope, DeclarationKind::Consent, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListConsentsResponse {
        consents: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListConsentsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListConsentsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.filter("email", &request.email);
        violations.finish(Some(Self { email }))
    }
}
