//! Lists the history of objections, newest first. Customers see only their own, whatever the filter.

use levqor_proto_compliance::v1::{ListObjectionsRequest, ListObjectionsResponse};
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

pub(super) async fn list_objections(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListObjectionsRequest,
) -> Result<ListObjectionsResponse, Error> {
    let scope = ctx.scope();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        declarations::list(tx, &scope, DeclarationKind::Objection, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListObjectionsResponse {
        objections: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListObjectionsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListObjectionsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.filter("email", &request.email);
        violations.finish(Some(Self { email }))
    }
}
