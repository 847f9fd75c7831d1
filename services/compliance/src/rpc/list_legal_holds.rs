//! Lists legal holds, newest first, for staff.

use levqor_proto_compliance::v1::{ListLegalHoldsRequest, ListLegalHoldsResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    privacy::HoldKind,
    rpc::list,
};

use crate::{
    Compliance,
    domain::declaration::Label,
    error::Error,
    store::placed_holds::{self, Filter},
};

pub(super) async fn list_legal_holds(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListLegalHoldsRequest,
) -> Result<ListLegalHoldsResponse, Error> {
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        placed_holds::list(tx, HoldKind::LegalHold, filter, page).await
    };
    list(compliance, &ctx, &request, store, |found, next_page_token| ListLegalHoldsResponse {
        legal_holds: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListLegalHoldsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListLegalHoldsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = violations.filter_enum("state", request.state);
        let email = violations.filter("email", &request.email);
        let matter: Option<Label> = violations.filter("matter", &request.matter);
        let matter = matter.map(|matter| matter.as_str().to_owned()).unwrap_or_default();
        violations.finish(Some(Self { state, email, matter }))
    }
}
